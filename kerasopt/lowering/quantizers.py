"""Reading the quantizers of a layer."""

from __future__ import annotations

import math

import keras
import numpy as np

from kerasopt.graph import Group, Node, is_concatenation, passes_on, product_axes
from kerasopt.inference import Affine
from kerasopt.lowering.values import StaysFloat, Value
from kerasopt.parametrization import ACTIVATION_SLOTS, find_link, links_of, read_until
from kerasopt.quantization import (
    ActivationQuantizer,
    BinaryActivation,
    DynamicQuantizer,
    Format,
    WeightQuantizer,
)

_SYMMETRIC = Format(8, symmetric=True)


def activation_quantizer(operation: keras.Operation, slot: str) -> ActivationQuantizer | None:
    """Returns the quantizer of a layer's `"input"` or `"output"`, or `None`."""
    return find_link(operation, slot, ActivationQuantizer)


def affine_of(operation: keras.Operation, slot: str) -> Affine | None:
    """Returns what the quantizer of a layer's activation rounds to, or `None`.

    What was never anything but zero is not rounded.

    Args:
        operation: The layer.
        slot: One of `ACTIVATION_SLOTS`.
    """
    quantizer = activation_quantizer(operation, slot)
    widths = {Format(8): 8, _SYMMETRIC: 8, Format(16, symmetric=True): 16}
    if quantizer is None or quantizer.format not in widths or quantizer.is_zero:
        return None
    return Affine(float(quantizer.scale), quantizer.zero_point, widths[quantizer.format])


def smallest(operation: keras.Operation, slot: str) -> float:
    """Returns the least value that the quantizer of an activation rounds to.

    Minus infinity if that is the smallest integer; symmetric formats do without it.
    """
    affine, quantizer = affine_of(operation, slot), activation_quantizer(operation, slot)
    is_symmetric = quantizer is not None and quantizer.format == _SYMMETRIC
    return -127 * affine.scale if affine is not None and is_symmetric else -math.inf


def has_only_zeros(group: Group) -> bool:
    """Whether a group reads or writes what was never anything but zero, so that it is not rounded.

    Of what it reads, that is by its own quantizers, or by those of what makes it.
    """
    slots = [(node.operation, slot) for node in group.nodes for slot in ACTIVATION_SLOTS]
    slots += [(edge.source.operation, "output") for edge in group.inputs]
    found = [activation_quantizer(operation, slot) for operation, slot in slots]
    return any(quantizer is not None and quantizer.is_zero for quantizer in found)


def output_affine(group: Group) -> Affine | None:
    """Returns what the output of a group is rounded to, or `None`.

    That is by its own quantizer, or by that of the concatenation which is all that it goes to, or
    of the input of the layer which is.
    """
    node = group.output
    affine = affine_of(node.operation, "output")
    while affine is None and len(node.consumers) == 1 and not node.is_output:
        node = node.consumers[0]
        affine = affine_of(node.operation, "input") if len(node.inputs) == 1 else None
        if affine is not None:
            return affine
        if is_concatenation(node.operation):
            # What is joined may be joined with more.
            affine = affine_of(node.operation, "output")
        elif not passes_on(node):
            return None
    return affine


def reads_rounded_rows(node: Node) -> bool:
    """Whether the input of a call is quantized to int8 dynamically, row by row."""
    if _rounds_rows(node.operation, "input"):
        return True
    while len(node.inputs) == 1:
        node = node.inputs[0].source
        if _rounds_rows(node.operation, "output"):
            return True
        if not passes_on(node):
            return False
    return False


def reads_signs(node: Node) -> bool:
    """Whether the input of a call is rounded to -1 and 1, by its layer or by what makes it."""
    source = node.inputs[0].source.operation
    return _rounds_to_signs(node.operation, "input") or _rounds_to_signs(source, "output")


def signed(node: Node, value: Value) -> Value:
    """Returns the signs of a float value, if the output of a call is rounded to -1 and 1."""
    if not _rounds_to_signs(node.operation, "output"):
        return value
    return Value(keras.ops.where(value.tensor >= 0, 1.0, -1.0))


def rounded_axes(layer: keras.Layer, slot: str) -> tuple[int, int] | None:
    """Returns which axes of a kernel are multiplied with rows that its layer rounds to int8.

    Returns:
        The first axis and the one after the last; `None` if the layer rounds no such rows.
    """
    axes = product_axes(layer) if slot == "kernel" else None
    return axes if axes is not None and _rounds_rows(layer, "input", axes[1] - axes[0]) else None


def _rounds_to_signs(operation: keras.Operation, slot: str) -> bool:
    return bool(links_of(operation, slot, BinaryActivation))


def _rounds_rows(operation: keras.Operation, slot: str, axes: int = 1) -> bool:
    return any(
        link.per == "row" and link.axes == axes and link.format == _SYMMETRIC
        for link in links_of(operation, slot, DynamicQuantizer)
    )


def integer_kernel(layer: keras.Layer, slot: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the integers of a quantized weight and their scales.

    Args:
        layer: A layer whose weight `slot` has a `WeightQuantizer`.
        slot: Name of the weight.

    Returns:
        float64 arrays: whole numbers of the weight's shape, and scales that broadcast to it.

    Raises:
        StaysFloat: If the weight has no quantizer.
        ValueError: If the weight has values that are not finite.
    """
    quantizer = find_link(layer, slot, WeightQuantizer)
    if quantizer is None:
        raise StaysFloat(f"its {slot} has no quantizer")
    if not quantizer.format.symmetric or quantizer.bits > 8 or quantizer.group is not None:
        raise StaysFloat(f"its {slot} is not rounded to symmetric int8 with a scale per channel")
    weight = read_until(layer, slot, quantizer)
    integers, scale, _ = map(keras.ops.convert_to_numpy, quantizer.codes(weight))
    weight = keras.ops.convert_to_numpy(weight)
    if not np.isfinite(weight).all():
        raise ValueError(
            f"Weight '{slot}' of layer '{layer.name}' has values that are not finite: the "
            f"training diverged. Received: {slot}={weight[~np.isfinite(weight)][0]}"
        )
    return integers.astype("float64"), scale.astype("float64")
