"""Quantization-aware training in custom training loops."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import graph
from kerasopt.parametrization import Attachments, links_of_model
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.recipe import make_recipe, make_rules
from kerasopt.quantization.site import Site
from kerasopt.quantization.statistics import freeze_statistics
from kerasopt.training.model_state import strategy_scope
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables


def attach_quantizers(
    model: keras.Model,
    spec: Any = "int8",
    rules: Sequence = (),
    weight_quantizer: Any = None,
    activation_quantizer: Any = None,
    observer: Any = "moving_average",
) -> list[Site]:
    """Attaches quantizers to a model, for a custom training loop.

    With `model.fit`, use `kerasopt.callbacks.QuantizationAware` instead. Layers of
    `kerasopt.layers` already have the quantizers that they declare. Attach before the first step is
    traced, and call `start_rounding` to begin rounding; until then activation ranges are only
    observed.

    Example:

    ```python
    ko.quantization.attach_quantizers(model, "int8")
    for step, (x, y) in enumerate(data):
        model.train_on_batch(x, y)
        if step == 100:
            ko.quantization.start_rounding(model)
    ```

    Args:
        model: A built Keras model.
        spec: As in `kerasopt.callbacks.QuantizationAware`.
        rules: As there.
        weight_quantizer: As there.
        activation_quantizer: As there.
        observer: As there.

    Returns:
        List of `Site`, the places of the quantizers.

    Raises:
        ValueError: If there is nothing to quantize, or a layer is already quantized in another way.
    """
    how = (weight_quantizer, activation_quantizer, observer)
    recipe, rules = make_recipe(spec, *how), make_rules(rules, *how)
    attachments = Attachments(model)
    placed = []
    with strategy_scope(model):
        for site in find_sites(model, recipe, rules):
            site.quantizer.initially_enabled = False
            placed.append(site._replace(quantizer=attachments.put(*site)))
        follow_trainable_variables(model)
    attachments.finish()
    return placed


def start_rounding(model: keras.Model) -> None:
    """Enables all quantizers of a model.

    Before activations are rounded, some training steps should have run: ranges that are set once,
    and learned scales, are initialized from the values observed so far, while other ranges continue
    to follow the batches. Weight quantizers need no such steps. Traced steps stay valid. On JAX
    call it between steps, when the model holds its variables. Quantizers that are already enabled
    are not changed.

    Example:

    ```python
    ko.quantization.attach_quantizers(model, "int8_weight_only")
    ko.quantization.start_rounding(model)
    ```

    Args:
        model: A built Keras model with quantizers: from `attach_quantizers`, or of layers
            of `kerasopt.layers` that declare them.

    Raises:
        ValueError: If the model has no quantizers, or an activation whose range is set once has not
            been observed yet.
    """
    waiting = [site for site in _sites(model) if not site.quantizer.is_enabled]
    unseen = [f"{site.path}/{site.slot}" for site in waiting if not _can_start(site.quantizer)]
    if unseen:
        raise ValueError(
            f"The ranges of {len(unseen)} activations of '{model.name}' have not been observed "
            "yet: call the model with `training=True` for some steps before rounding starts. "
            f"Received: {unseen[:3]}"
        )
    for site in waiting:
        site.enable()
        site.quantizer.governed = True


def freeze_ranges(model: keras.Model, frozen: bool = True) -> None:
    """Freezes activation ranges and batch normalization statistics.

    The weights then adapt to exactly the function that `kerasopt.convert` computes. Traced steps
    become stale: trace your step again afterwards (`tf.function`, `jax.jit`).

    ```python
    ko.quantization.attach_quantizers(model, "int8")
    ko.quantization.freeze_ranges(model)  # before the last tenth of the steps, say
    ```

    Args:
        model: A Keras model with quantizers.
        frozen: Boolean, whether to freeze or to unfreeze them.
    """
    freeze_statistics(model, frozen)
    for site in _sites(model):
        link = site.quantizer
        if isinstance(link, ActivationQuantizer):
            link.frozen = frozen or (link.settles and link.is_enabled)


def _sites(model) -> list[Site]:
    """Returns the sites of the quantizers of a model."""
    graph.require_built(model)
    sites = [Site(*each) for each in links_of_model(model, Quantizer)]
    if not sites:
        raise ValueError(
            f"Model '{model.name}' has no quantizers. Call "
            "`kerasopt.quantization.attach_quantizers(model)` first, or build it of layers of "
            "`kerasopt.layers` that declare them."
        )
    return sites


def _can_start(link) -> bool:
    return not isinstance(link, ActivationQuantizer) or not link.settles or link.has_range
