"""Post-training quantization with calibration data."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import ACTIVATION_SLOTS, merge_lora, parametrize
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.post_training import rounding as roundings
from kerasopt.quantization.post_training.calibration import calibrate, require_data
from kerasopt.quantization.post_training.clipping import clipped_weight, has_grid
from kerasopt.quantization.post_training.correction import correct
from kerasopt.quantization.post_training.equalization import equalize
from kerasopt.quantization.post_training.smoothing import smooth
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
    equalization: bool | None = None,
    rounding: Any = "nearest",
    bias_correction: bool = False,
    batch_size: int | None = None,
    verbose: int = 1,
) -> keras.Model:
    """Quantizes a model without training it.

    The quantizers are those of `kerasopt.callbacks.QuantizationAware`, in the same places. Weights
    of less than 8 bits are clipped if that reduces the rounding error of their channel. Activation
    ranges come from one pass of the calibration data through the float model. Then, if requested,
    the layers are corrected one by one for the rounding errors up to them. Zeros of a pruned model
    stay zero.

    Example:

    ```python
    quantized = ko.quantize(model, "int8", calibration=x_train[:500])
    int8 = ko.convert(quantized, "int8")
    ```

    Args:
        model: A built Keras model. It is not changed.
        spec: A `kerasopt.quantization.Spec` or its alias, such as `"int8"`.
        calibration: Data for `model.predict`: arrays of inputs, a `tf.data.Dataset` or a
            `keras.utils.PyDataset`, with a few hundred representative examples. Specs without
            static ranges (`"int8_dynamic"`, `"int4_weight_only"`) need none.
        rules: As in `QuantizationAware`.
        weight_quantizer: As in `QuantizationAware`.
        activation_quantizer: As in `QuantizationAware`.
        observer: How ranges are determined: `"minmax"`, `"percentile"`, `"mse"`, `"kl"`,
            `"moving_average"` or a `kerasopt.quantization.Observer`.
        equalization: Whether channels are scaled first, which does not change the function of the
            float model. By default, where static ranges are calibrated, outliers of activations
            move into the weights of the dense layers that read them if that makes their error on
            the calibration data smaller (SmoothQuant, Xiao et al. 2022): after normalizations,
            dense layers and gates. `True`: neighbouring layers with a ReLU or nothing between them
            are scaled to similar channel ranges before (cross-layer equalization, Nagel et al.
            2019). `False`: neither.
        rounding: `"nearest"`, `"adaround"` or a `kerasopt.quantization.Rounding`: whether weights
            are rounded up or down. Applies to Dense and convolutions (not transposed or separable
            ones) with `"minmax"` weights.
        bias_correction: Boolean, whether biases, or the means of batch normalizations, are adjusted
            in these layers so that every channel keeps its mean (Nagel et al. 2019).
        batch_size: Integer, for arrays. Defaults to that of the model's inputs if it is fixed
            (`keras.Input(batch_shape=...)`), otherwise to 32, as in `predict`. States of recurrent
            layers are restored afterwards.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        A new, uncompiled model that simulates the integers, as after `QuantizationAware`.
        `kerasopt.convert` turns it into one that computes with integers.

    Raises:
        ValueError: If an argument is unknown; if equalization or corrections are requested for a
            model without a recorded graph (a subclassed model); if there is nothing to quantize, a
            layer is already quantized in another way, or groups do not divide a kernel; if
            calibration data is missing or empty, an activation has non-finite values, or all
            activations are zero.

    Warns:
        UserWarning: If an activation is always zero in the calibration data, so that it stays
            float.
    """
    recipe = make_recipe(spec, weight_quantizer, activation_quantizer, observer)
    rules = make_rules(rules, weight_quantizer, activation_quantizer, observer)
    rounding = roundings.get(rounding)
    graph.require_built(model)
    corrects = bias_correction or rounding.needs_data
    if equalization or corrects:
        _require_graph(model)
    batch_size = batch_size or fixed_batch_size(model)
    with strategy_scope(model):
        if equalization:
            model = _copy(model)
            equalize(model)
        quantized = _copy(model)
        sites = find_sites(quantized, recipe, rules)
        if equalization is not False and calibration is not None:
            with states_kept(quantized):
                smoothed = smooth(quantized, sites, calibration, batch_size)
            if smoothed and corrects:
                model = graph.clone(quantized)
        weights = [site for site in sites if site.slot not in ACTIVATION_SLOTS]
        activations = [site for site in sites if site.slot in ACTIVATION_SLOTS]
        for site in weights:
            _clip(site)
        for site in activations:
            _attach(quantized, site)
    with states_kept(model, quantized):
        calibrate(quantized, activations, calibration, batch_size, verbose)
        # After calibration, in which they would compute, and hold, every weight once more.
        with strategy_scope(model):
            for site in weights:
                _attach(quantized, site)
        for site in sites:
            site.enable()
        if corrects:
            require_data(calibration)
            correct(model, quantized, calibration, batch_size, rounding, bias_correction, verbose)
    return quantized


def _attach(model, site):
    site.quantizer.initially_enabled = False
    parametrize(model, f"{site.path}/{site.slot}", site.quantizer)


def _clip(site):
    if has_grid(site.quantizer):
        weight = getattr(site.layer, site.slot)
        site.quantizer.build(weight.shape)
        values = np.asarray(keras.ops.convert_to_numpy(weight), "float32")
        clipped = clipped_weight(values, site.quantizer)
        if clipped is not values:
            weight.assign(clipped)


def _require_graph(model):
    found = graph.Graph.of(model)
    if not found.nodes:
        raise ValueError(
            "Equalization, adaptive rounding and bias correction need the graph of the model, "
            f"which cannot be recorded: {found.closed['']}. Do not request them, or build the "
            f"model with `keras.Model(inputs, outputs)`. Received: model={model.name}"
        )


def _copy(model):
    """Returns a copy of a model, with LoRA merged into its weights."""
    copied = graph.clone(model)
    merge_lora(copied)
    return copied
