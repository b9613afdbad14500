"""Layer-by-layer correction of a quantized model for its rounding errors."""

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import find_link, read_input, read_until
from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.batches import batches_of
from kerasopt.quantization.post_training.clipping import has_grid
from kerasopt.quantization.post_training.products import Products
from kerasopt.quantization.post_training.rounding import Rounding
from kerasopt.quantization.post_training.walk import walk
from kerasopt.quantization.weights import WeightQuantizer

# More examples, or positions of a layer's output, make little difference.
EXAMPLES, ROWS = 128, 4096


def correct(
    model: keras.Model,
    quantized: keras.Model,
    data,
    batch_size: int | None,
    rounding: Rounding,
    bias_correction: bool,
    verbose: int,
) -> None:
    """Adjusts the rounding of weights and the biases of a quantized model.

    Args:
        model: The float model.
        quantized: Its copy, with enabled quantizers.
        data: Data for `model.predict`; the first 128 examples are used.
        batch_size: Integer, for arrays.
        rounding: A `Rounding`.
        bias_correction: Boolean, whether each channel gets its mean in the float model (Nagel et
            al. 2019, https://arxiv.org/abs/1906.04721, section 4.2).
        verbose: 0 (silent) or 1 (a progress bar).
    """
    groups = list(graph.Groups(graph.Graph.of(quantized)))
    norms = {id(group.anchor.operation): group.batch_normalization for group in groups}
    quantizers = {
        id(node.operation): quantizer
        for group in groups
        for node in group.nodes
        if (quantizer := _quantizer(node.operation)) is not None
    }
    progress = keras.utils.Progbar(len(quantizers), verbose=verbose, unit_name="layer")
    for step in walk(model, quantized, batches_of(data, batch_size, EXAMPLES)):
        layer = step.node.operation
        quantizer = quantizers.pop(id(layer), None)
        if quantizer is None:
            continue
        products = Products(layer)
        float_rows = products.rows([tensor for (tensor,) in step.float_inputs], ROWS)
        rows = products.rows([read_input(layer, tensor) for (tensor,) in step.inputs], ROWS)
        target = float_rows @ products.columns(to_float32(step.float_node.operation.kernel))
        _round(layer, quantizer, products, rounding, rows, target)
        if bias_correction:
            error = target - rows @ products.columns(to_float32(layer.kernel))
            _move_bias(layer, norms.get(id(layer)), error.mean(axis=1).ravel())
        progress.add(1)


def _quantizer(layer) -> WeightQuantizer | None:
    """Returns the quantizer of a layer whose rounding can be adjusted."""
    quantizer = find_link(layer, "kernel", WeightQuantizer)
    return quantizer if has_grid(quantizer) and Products.fit(layer) else None


def _round(layer, quantizer, products, rounding, rows, target):
    weight = read_until(layer, "kernel", quantizer)
    _, scale, _ = quantizer.codes(weight)
    scale = np.broadcast_to(to_float32(scale), weight.shape)
    weight = to_float32(weight)
    codes = rounding.codes(
        products.columns(weight), products.columns(scale), quantizer.format, rows, target
    )
    codes = _with_extremes(products.weight(codes), weight, quantizer)
    layer.kernel.assign((codes * scale).astype("float32"))


def _with_extremes(codes, weight, quantizer):
    """Returns codes that include the largest one for every scale.

    The scale of a stored weight is computed from its largest magnitude, which must not change.
    """
    split, format = quantizer.channels.split, quantizer.format
    codes, values = np.array(split(codes.astype("float32"))), to_float32(split(weight))
    places = np.abs(values).argmax(axis=0), np.arange(codes.shape[1])
    lacks = np.abs(codes).max(axis=0) < format.maximum
    codes[places] = np.where(lacks, np.sign(values[places]) * format.maximum, codes[places])
    return to_float32(quantizer.channels.merge(codes))


def _move_bias(layer, normalization, error):
    """Adds an error per channel to the bias or normalization after the products."""
    if layer.use_bias:
        layer.bias.assign_add(error)
    elif normalization is not None:
        normalization.operation.moving_mean.assign_sub(error)
