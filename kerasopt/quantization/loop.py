"""Quantization-aware training in a training loop of one's own."""

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
    """Puts quantizers on a model, for a training loop of your own.

    `model.fit` needs `kerasopt.callbacks.QuantizationAware` and nothing of this. Layers
    of `kerasopt.layers` have the quantizers that they declare. Attach before the
    first step is traced, and call `start_rounding` when values are to be rounded;
    until then ranges of activations only watch.

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
        List of `Site`, where quantizers are.

    Raises:
        ValueError: As `QuantizationAware`, if there is nothing to quantize, or a
            layer is quantized in another way already.
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
    """Lets all quantizers of a model round from now on.

    Those of weights need nothing before. Activations should have passed through the
    model in training for some steps, since ranges that are found once, and scales
    that are learned, begin with what was seen until then; other ranges follow the
    batches after it, too. Traced steps stay valid. On JAX call it between steps, when
    the model holds its variables. What rounds already stays as it is.

    Example:

    ```python
    ko.quantization.attach_quantizers(model, "int8_weight_only")
    ko.quantization.start_rounding(model)
    ```

    Args:
        model: A built Keras model with quantizers: from `attach_quantizers`, or of layers
            of `kerasopt.layers` that declare them.

    Raises:
        ValueError: If the model has no quantizers, or activations with a range that is
            found once have not passed through yet.
    """
    waiting = [site for site in _sites(model) if not site.quantizer.is_enabled]
    unseen = [f"{site.path}/{site.slot}" for site in waiting if not _can_start(site.quantizer)]
    if unseen:
        raise ValueError(
            f"The ranges of {len(unseen)} activations of '{model.name}' are found from what was "
            "seen before they round, and nothing has passed through yet: call the model with "
            f"`training=True` for some steps first. Received: {unseen[:3]}"
        )
    for site in waiting:
        site.enable()
        site.quantizer.governed = True


def freeze_ranges(model: keras.Model, frozen: bool = True) -> None:
    """Makes ranges of activations, and statistics of batch normalizations, stay as they are.

    The weights then settle into the very function that `kerasopt.convert` computes.
    It is part of traced steps: trace your step anew afterwards (`tf.function`, `jax.jit`).

    ```python
    ko.quantization.attach_quantizers(model, "int8")
    ko.quantization.freeze_ranges(model)  # before the last tenth of the steps, say
    ```

    Args:
        model: A Keras model with quantizers.
        frozen: Boolean, whether to freeze them, or to let them go again.
    """
    freeze_statistics(model, frozen)
    for site in _sites(model):
        link = site.quantizer
        if isinstance(link, ActivationQuantizer):
            link.frozen = frozen or (link.settles and link.is_enabled)


def _sites(model) -> list[Site]:
    """Returns where the quantizers of a model are."""
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
