"""What a model must be to be converted, said before anything is."""

from __future__ import annotations

import keras

from kerasopt.graph import require_built
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import (
    ActivationQuantizer,
    BinaryActivation,
    DynamicQuantizer,
    Quantizer,
    specs,
    why_without_range,
)

SPARSE = "sparse"  # the target that needs no quantizers
_OF_ACTIVATIONS = (ActivationQuantizer, BinaryActivation, DynamicQuantizer)


def check(model: keras.Model, target: str) -> None:
    """Raises `ValueError` if a model cannot be converted."""
    require_built(model)
    found = _quantizers(model)
    if not found and target == SPARSE:
        return
    if not found:
        raise ValueError(
            "The model has no quantizers, so the ranges of its activations are unknown. Train it "
            "with `kerasopt.callbacks.QuantizationAware('int8')` in `fit`, and convert it before "
            f"`kerasopt.finalize`. Received: model={model.name}"
        )
    _check_target(target, [link for _, link in found])
    watched = [(x, link) for x, link in found if isinstance(link, ActivationQuantizer)]
    some = any(link.has_range for _, link in watched)
    empty = {
        path: why_without_range(link)
        for path, link in watched
        if not link.has_range and _has_watched(link) and not (some and link.is_zero)
    }
    if empty:
        raise ValueError(
            "Some activations have no range, so they cannot be converted. Check the data and the "
            "loss, train the model with `kerasopt.callbacks.QuantizationAware('int8')`, or exclude "
            f"the layers with rules (name, None). Received: model={model.name} with {empty}"
        )
    waiting = {
        path: link.governed
        for path, link in found
        if not (link.is_enabled or (isinstance(link, ActivationQuantizer) and link.is_zero))
    }
    if waiting:
        why = (
            "the training ended before their `begin`. Train the model to the end of its schedule"
            if all(waiting.values())
            else "nothing has moved them. Pass `kerasopt.callbacks.Compression()` to `fit` (or "
            "`QuantizationAware`, where layers declare nothing); in a training loop of your own "
            "call `kerasopt.quantization.start_rounding(model)`"
        )
        raise ValueError(
            f"Some quantizers do not round yet: {why}. Received: model={model.name} with layers "
            f"{sorted(waiting)}"
        )


def _has_watched(link: ActivationQuantizer) -> bool:
    return link.is_enabled or bool(link.left_out)


def _quantizers(model: keras.Model) -> list[tuple[str, Quantizer]]:
    """Lists the quantizers of a model, with the paths of their layers."""
    return [(each.path, each.link) for each in links_of_model(model, Quantizer)]


def _check_target(target: str, quantizers: list[Quantizer]) -> None:
    """Raises `ValueError` if no weight is rounded as the target says."""
    if target in ("int8", SPARSE):
        return  # fewer bits are int8 as well
    wanted = specs.get(target).weights
    found = {link.format for link in quantizers if not isinstance(link, _OF_ACTIVATIONS)}
    if wanted not in found:
        formats = ", ".join(sorted(map(str, found)))
        raise ValueError(
            f"The weights of the model are rounded to {formats}: convert it to what it was "
            f"quantized with. Received: target={target!r}, which has {wanted}"
        )


def rounds_activations(model: keras.Model) -> bool:
    """Whether something of a model rounds activations, so that integers may follow."""
    return any(isinstance(link, _OF_ACTIVATIONS) for _, link in _quantizers(model))


def passes_integers(model: keras.Model) -> bool:
    """Whether layers of a model pass integers on, not only round what they read themselves."""
    return any(
        isinstance(link, (ActivationQuantizer, BinaryActivation)) for _, link in _quantizers(model)
    )
