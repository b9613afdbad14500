"""What must hold of a compressed model, seen from outside: in the weights that its layers read."""

import keras
import numpy as np

import kerasopt as ko
from kerasopt.parametrization import links_of_model

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


def kernels(model, of: type = keras.Layer) -> dict:
    """Returns path to (layer, attribute) of every kernel in layers of class `of`."""
    found = {}
    for layer in model._flatten_layers():
        for name in _KERNELS:
            weight = getattr(layer, name, None)
            if isinstance(weight, keras.Variable) and isinstance(layer, of):
                found.setdefault(weight.path, (layer, name))
    return found


def read(layer, name) -> np.ndarray:
    """Returns a weight as the layer computes with it."""
    return keras.ops.convert_to_numpy(getattr(layer, name)).astype("float32")


def assert_sparse(kernels, sparsity: float) -> None:
    """Every kernel has exactly the zeros that `sparsity` asks for."""
    assert kernels
    for path, (layer, name) in kernels.items():
        (mask,) = [link for link in layer.parametrizations[name] if hasattr(link, "mask")]
        hidden = ~keras.ops.convert_to_numpy(mask.mask)
        assert hidden.sum() == round(sparsity * hidden.size), path
        assert (read(layer, name)[hidden] == 0).all(), path


def assert_on_int8_grid(kernels) -> None:
    """Every kernel is a multiple of a 127th of the largest magnitude of its output channel."""
    assert kernels
    for path, (layer, name) in kernels.items():
        assert_integers(read(layer, name), shared_axes(layer, name), path)


def assert_integers(weight, axes, message="") -> None:
    largest = np.abs(weight).max(axis=axes, keepdims=True)
    codes = weight / np.where(largest > 0, largest, 1) * 127
    np.testing.assert_allclose(codes, np.round(codes), atol=2e-4, err_msg=message)


def shared_axes(layer, name) -> tuple:
    """Returns the axes over which the weights of one output channel extend."""
    rank = len(getattr(layer, name).shape)
    if isinstance(layer, keras.layers.EinsumDense):
        _, kernel, outputs = layer.equation.replace("->", ",").split(",")
        return tuple(axis for axis, letter in enumerate(kernel) if letter not in outputs)
    if name == "depthwise_kernel" or isinstance(layer, keras.layers.DepthwiseConv2D):
        return tuple(range(rank - 2))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return (*range(rank - 2), rank - 1)
    return tuple(range(rank - 1))


def assert_ranges_seen(model) -> None:
    """Every quantizer of an activation is at work, with a range that training has set."""
    quantizers = [link for _, _, slot, link in links_of_model(model) if slot in ("input", "output")]
    assert quantizers
    for quantizer in quantizers:
        assert bool(quantizer.enabled.numpy()) and quantizer.has_range, quantizer.path


def masked(model) -> tuple[int, int]:
    """Returns how many of all masked weights are pruned, and their number."""
    masks = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
    return sum(int((~mask).sum()) for mask in masks), sum(mask.size for mask in masks)
