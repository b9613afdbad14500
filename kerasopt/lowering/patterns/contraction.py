"""What the patterns of layers with kernels share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.graph import Group, activation_bounds, clamp_bounds, is_linear, own_activation
from kerasopt.inference import Affine
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import IntegerWeights, channel_affine, fold
from kerasopt.lowering.patterns.elementwise import apply_activation
from kerasopt.lowering.quantizers import (
    affine_of,
    integer_kernel,
    output_affine,
    signed,
    smallest,
)
from kerasopt.lowering.values import StaysFloat, Value

Arrange = Callable[[np.ndarray], np.ndarray]


class Output(NamedTuple):
    """What a kernel's sums are rounded to, and the bounds of a clamp after it."""

    affine: Affine
    bounds: tuple[float, float] = (-math.inf, math.inf)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of an integer layer."""
        low, high = map(self.affine.quantized, self.bounds)
        return {"output_affine": self.affine, "output_min": low, "output_max": high}


def input_of(group: Group, builder: Builder) -> Value:
    """Returns the input of a group with one input, integers."""
    values = builder.inputs(group.anchor)
    if not values or values[0].affine is None:
        raise StaysFloat("its input has no quantizer")
    return values[0]


def lower_contraction(
    group: Group,
    builder: Builder,
    make: Callable[..., keras.Layer],
    value: Value | None = None,
    slot: str = "kernel",
    arrange: Arrange = lambda kernel: kernel,
) -> Value:
    """Lowers a layer with a kernel, its batch normalization and its clamp to an integer layer.

    Args:
        group: The group, its anchor the layer with the kernel.
        builder: The `Builder`.
        make: Makes the integer layer from the affine arguments of `Contraction` and a name.
        value: The `Value` that the integer layer reads. Defaults to the group's input.
        slot: The attribute name of the kernel.
        arrange: Brings a kernel into the layout of the integer layer's.

    Returns:
        The `Value` of the integer layer's output, before an own activation that is no clamp.
    """
    value = value or input_of(group, builder)
    output = output_of(group)
    kernel, scale = columns_of(group.anchor.operation, slot, arrange)
    gain, offset = gain_and_offset(group, kernel.shape[-1])
    assert value.affine is not None
    weights = fold(kernel, scale, gain, offset, value.affine, output.affine)
    return place(group, builder, make, value, output, weights)


def place(
    group: Group,
    builder: Builder,
    make: Callable[..., keras.Layer],
    value: Value,
    output: Output,
    weights: IntegerWeights,
    name: str = "",
) -> Value:
    """Calls an integer layer with a kernel on `value`."""
    if value.affine is not None and value.affine.bits != output.affine.bits:
        raise StaysFloat("its input and its output have different numbers of bits")
    cls: Any = getattr(make, "func", make)
    if output.affine.bits == 16 and weights.products > cls.most_int16_products:
        raise StaysFloat(f"it sums more than {cls.most_int16_products} products of int16")
    made = builder.layer(
        group.anchor,
        (value.affine, output, name),
        lambda unique: make(input_affine=value.affine, **output.arguments, name=unique),
        name,
    )
    kernel = weights.kernel.reshape(made.kernel_shape(value.tensor.shape))
    made.fit_format(kernel)
    tensor = made(value.tensor)
    made.set_arrays(kernel, *weights[1:])
    return Value(tensor, output.affine)


def place_float(
    group: Group,
    builder: Builder,
    make: Callable[..., keras.Layer],
    value: Value,
    kernel: np.ndarray,
    scale: Any,
    affine: tuple[np.ndarray, np.ndarray],
) -> Value:
    """Calls a layer with a kernel and a float output on `value`.

    Args:
        group: The group, its anchor the layer with the kernel.
        builder: The `Builder`.
        make: Makes the layer from a name.
        value: The `Value` that it reads, made float.
        kernel: Numbers that the layer holds.
        scale: Scales of the output channels, or a number.
        affine: What `gain_and_offset` returns.
    """
    gain, offset = affine
    cls = getattr(make, "func", make)
    made: Any = builder.layer(group.anchor, cls, lambda name: make(name=name))
    kernel = kernel.reshape(made.kernel_shape(value.tensor.shape))
    made.fit_format(kernel * np.sign(gain).astype(kernel.dtype))
    result = Value(made(builder.as_float(value).tensor))
    made.set_floats(kernel, scale, gain, offset)
    return result


def finish(group: Group, builder: Builder, value: Value) -> None:
    """Applies an own activation that is no clamp, and puts the output of the group."""
    if activation_bounds(group.anchor.operation) is None:
        value = apply_activation(group, builder, value, own_activation(group.anchor.operation))
    builder.put(group.output, value)


def finish_float(group: Group, builder: Builder, value: Value) -> None:
    """Applies the activation of a group to a float value, and puts the group's output, rounded."""
    layer: Any = group.anchor.operation
    function = None if is_linear(layer) else own_activation(layer)
    if group.activation is not None:
        function = builder.plain_operation(group.activation)
    if function is not None:
        activation = keras.layers.Activation(
            function, dtype="float32", name=builder.name(group.anchor, "_activation")
        )
        value = Value(activation(value.tensor))
    value, affine = signed(group.output, value), affine_of(group.output.operation, "output")
    builder.put(group.output, value if affine is None else builder.as_integers(value, affine))


def gain_and_offset(
    group: Group, channels: int, bias: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what follows the sums of a group's kernel; see `channel_affine`."""
    node = group.batch_normalization
    return channel_affine(group.anchor.operation, node and node.operation, channels, bias)


def output_of(group: Group) -> Output:
    """Returns what the sums of a group's kernel are rounded to."""
    layer, activation = group.anchor.operation, group.activation
    bounds = activation_bounds(layer)
    if activation is not None:
        bounds = clamp_bounds(activation.operation)
    if bounds is None:
        affine = affine_of(layer, "pre_activation")
        if affine is None:
            raise StaysFloat("the input of its own activation has no quantizer")
        return Output(affine)
    affine = output_affine(group)
    if affine is None:
        raise StaysFloat("its output has no quantizer")
    low, high = bounds
    return Output(affine, (max(low, smallest(group.output.operation, "output")), high))


def columns_of(
    layer: Any, slot: str = "kernel", arrange: Arrange = lambda kernel: kernel
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the integers of a kernel, a column for each output channel, and their scales."""
    integers, scales = integer_kernel(layer, slot)
    scales = arrange(np.broadcast_to(scales, integers.shape))
    kernel = arrange(integers)
    scales = scales.reshape(-1, kernel.shape[-1])
    if (scales != scales[0]).any():
        raise StaysFloat("the scales of its kernel are not per output channel")
    return kernel, scales[0]
