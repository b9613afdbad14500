"""From a float model to a quantized one, by looking at some data."""

import copy
from typing import Any

import keras

from kerasopt import graph
from kerasopt.model_state import strategy_scope
from kerasopt.parametrization import parametrize
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.post_training.calibration import calibrate
from kerasopt.quantization.recipe import make_recipe, make_rules


def quantize(
    model: keras.Model,
    spec: Any = "int8",
    calibration: Any = None,
    rules: list = (),
    weight_quantizer: Any = None,
    activation_quantizer: Any = None,
    observer: Any = "minmax",
    batch_size: int | None = None,
    verbose: int = 1,
) -> keras.Model:
    """Quantizes a model without training it.

    The quantizers are those that `kerasopt.callbacks.QuantizationAware` would
    place, at the same places. The ranges of activations are those of the
    calibration data, which passes through the float model once. Zeros of a
    pruned model stay zero.

    Example:

    ```python
    quantized = ko.quantize(model, "int8", calibration=x_train[:500])
    int8 = ko.convert(quantized, "int8")
    ```

    Args:
        model: A built Keras model. It is not changed.
        spec: A `kerasopt.quantization.Spec` or its alias, such as `"int8"`.
        calibration: What `model.predict` takes: arrays of inputs, a
            `tf.data.Dataset` or a `keras.utils.PyDataset`, of some hundred
            examples like those that the model will see. Specs without static
            ranges (`"int8_dynamic"`, `"int4_weight_only"`) need none.
        rules: As in `QuantizationAware`.
        weight_quantizer: As in `QuantizationAware`.
        activation_quantizer: As in `QuantizationAware`.
        observer: How ranges are found: `"minmax"`, `"percentile"`, `"mse"`,
            `"kl"`, `"moving_average"` or a `kerasopt.quantization.Observer`.
        batch_size: Integer, of arrays. Defaults to 32, as in `predict`.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        A new model that simulates the integers, as `QuantizationAware` leaves
        one. It is not compiled. `kerasopt.convert` turns it into one that
        computes with them.

    Raises:
        ValueError: If an argument is unknown, there is nothing to quantize, a
            layer is quantized in another way already, groups do not divide a
            kernel, calibration data is missing or empty, or an activation has
            values that are not finite, or none but zero.
    """
    recipe = make_recipe(spec, weight_quantizer, activation_quantizer, observer)
    rules = make_rules(rules, weight_quantizer, activation_quantizer, observer)
    graph.require_built(model)
    with strategy_scope(model):
        quantized = _copy(model)
        links = [_attach(quantized, site) for site in find_sites(quantized, recipe, rules)]
    calibrate(quantized, links, calibration, batch_size, verbose)
    return quantized


def _attach(model, site):
    site.quantizer.initially_enabled = False
    parametrize(model, f"{site.path}/{site.slot}", site.quantizer)
    return site.quantizer


def _copy(model):
    """Returns a model like `model`, with weights of its own."""
    if graph.functional_of(model) is None:
        return copy.deepcopy(model)  # what it is made of, only its own code knows
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied
