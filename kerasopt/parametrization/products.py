"""Layers that multiply with weights that are held by links, without computing these weights."""

from __future__ import annotations

import math
from typing import Any

import keras

from kerasopt.graph.einsum import contracted_axes
from kerasopt.parametrization.loops import value_read_once


class DenseProduct(keras.layers.Dense):
    """The product of a `Dense` layer.

    It comes after a custom class in the MRO, so that `super().call(inputs)`
    there leads here.
    """

    def call(self, inputs, training=None):
        outputs = product(self.kernel, inputs, 0, 1)
        if outputs is None:
            return super().call(inputs, training=training)
        return _finished(self, outputs)


class EinsumProduct(keras.layers.EinsumDense):
    """The product of an `EinsumDense` layer whose equation is one with matrices."""

    def call(self, inputs, training=None):
        axes = contracted_axes(self.equation)
        outputs = None if axes is None else product(self.kernel, inputs, *axes)
        if outputs is None:
            return super().call(inputs, training=training)
        return _finished(self, outputs)


class ReverseProduct(keras.layers.ReversibleEmbedding):
    """The product of an embedding that is called in reverse."""

    def call(self, inputs, reverse=False):
        outputs = None
        if reverse and self.reverse_dtype in (None, "float32"):
            if self.tie_weights:
                outputs = product(self.embeddings, inputs, 1, 2)
            else:
                outputs = product(self.reverse_embeddings, inputs, 0, 1)
        if outputs is None:
            return super().call(inputs, reverse=reverse)
        if self.logit_soft_cap is None:
            return outputs
        return keras.ops.tanh(outputs / self.logit_soft_cap) * self.logit_soft_cap


def product(weight: Any, inputs: Any, begin: int, end: int) -> Any:
    """Returns the product of the last axes of a tensor with those of a weight.

    Args:
        weight: What a layer reads as its weight.
        inputs: The tensor.
        begin: Integer, the first axis of the weight that is summed over.
        end: Integer, the one after the last.

    Returns:
        A tensor whose last axes are the others of the weight; `None` if no link
        holds the weight, or the link has no product for it.
    """
    held = getattr(weight, "held", None)
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if held is None or dtype != "float32":
        return None
    shape = held.shape
    count = end - begin
    rows = inputs if count == 1 else _reshaped(inputs, count, (math.prod(shape[begin:end]),))
    outputs = held.multiply(rows, begin, end, value_read_once(weight.chain))
    return None if outputs is None else _reshaped(outputs, 1, (*shape[:begin], *shape[end:]))


def _reshaped(tensor: Any, axes: int, sizes: tuple[int, ...]) -> Any:
    """Replaces the last `axes` axes of a tensor by ones of the given sizes."""
    if axes == len(sizes):
        return tensor
    return keras.ops.reshape(tensor, (*keras.ops.shape(tensor)[:-axes], *sizes))


def _finished(layer: Any, outputs: Any) -> Any:
    if layer.bias is not None:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
