"""From a float model to a quantized one, by looking at some data."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasopt import graph
from kerasopt.parametrization import merge_lora, parametrize
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.post_training import rounding as roundings
from kerasopt.quantization.post_training.calibration import calibrate, require_data
from kerasopt.quantization.post_training.clipping import clipped_weight, has_grid
from kerasopt.quantization.post_training.correction import correct
from kerasopt.quantization.post_training.equalization import equalize
from kerasopt.quantization.recipe import make_recipe, make_rules
from kerasopt.quantization.states import fixed_batch_size, states_kept
from kerasopt.training.model_state import strategy_scope


def quantize(
    model: keras.Model,
    spec: Any = "int8",
    calibration: Any = None,
    rules: Sequence = (),
    weight_quantizer: Any = None,
    activation_quantizer: Any = None,
    observer: Any = "minmax",
    equalization: bool = False,
    rounding: Any = "nearest",
    bias_correction: bool = False,
    batch_size: int | None = None,
    verbose: int = 1,
) -> keras.Model:
    """Quantizes a model without training it.

    The quantizers are those that `kerasopt.callbacks.QuantizationAware` would
    place, at the same places. Weights are clipped where that makes the rounding
    error of their channel smaller, which at 4 bits it does. The ranges of
    activations are those of the calibration data, which passes through the float
    model once. Then, if asked for, layer after layer is corrected for what was
    rounded up to there. Zeros of a pruned model stay zero.

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
        equalization: Boolean, whether neighbouring layers are scaled first so that
            their channels have like ranges (cross-layer equalization, Nagel et
            al. 2019). It changes nothing of the float model's function, and
            needs layers that a ReLU, or nothing, is between.
        rounding: `"nearest"`, `"adaround"` or a
            `kerasopt.quantization.Rounding`: which integer above or below a
            weight becomes. For Dense and convolutions (not transposed or
            separable ones) with `"minmax"` weights.
        bias_correction: Boolean, whether biases, or the means of batch
            normalizations, are moved so that every channel keeps its mean
            (Nagel et al. 2019), in the same layers.
        batch_size: Integer, of arrays. Defaults to that of the model's inputs where it is fixed
            (`keras.Input(batch_shape=...)`), else to 32, as in `predict`. States of recurrent
            layers are afterwards as they were.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        A new model that simulates the integers, as `QuantizationAware` leaves
        one. It is not compiled. `kerasopt.convert` turns it into one that
        computes with them.

    Raises:
        ValueError: If an argument is unknown, equalization or corrections are asked
            for a model without a recorded graph (a subclassed one), there is nothing to quantize, a
            layer is quantized in another way already, groups do not divide a
            kernel, calibration data is missing or empty, an activation has
            values that are not finite, or all have none but zero.

    Warns:
        UserWarning: If an activation is nothing but zero in the calibration data, so that it stays
            float.
    """
    recipe = make_recipe(spec, weight_quantizer, activation_quantizer, observer)
    rules = make_rules(rules, weight_quantizer, activation_quantizer, observer)
    rounding = roundings.get(rounding)
    graph.require_built(model)
    corrects = bias_correction or rounding.needs_data
    if equalization or corrects:
        _require_graph(model)
    with strategy_scope(model):
        if equalization:
            model = _copy(model)
            equalize(model)
        quantized = _copy(model)
        sites = find_sites(quantized, recipe, rules)
        for site in sites:
            _attach(quantized, site)
    batch_size = batch_size or fixed_batch_size(model)
    with states_kept(model, quantized):
        calibrate(quantized, sites, calibration, batch_size, verbose)
        if corrects:
            require_data(calibration)
            correct(model, quantized, calibration, batch_size, rounding, bias_correction, verbose)
    return quantized


def _attach(model, site):
    site.quantizer.initially_enabled = False
    parametrize(model, f"{site.path}/{site.slot}", site.quantizer)
    if has_grid(site.quantizer):
        weight = getattr(site.layer, site.slot)
        values = keras.ops.convert_to_numpy(weight).astype("float32")
        weight.assign(clipped_weight(values, site.quantizer))


def _require_graph(model):
    if graph.functional_of(model) is None:
        raise ValueError(
            "Equalization, rounding by data and bias correction follow the graph of the model, and "
            "that of a subclassed one is not recorded. Leave them out, or build the model with "
            f"`keras.Model(inputs, outputs)`. Received: model={model.name}"
        )


def _copy(model):
    """Returns a copy of a model, LoRA merged into its weights."""
    copied = graph.clone(model)
    merge_lora(copied)
    return copied
