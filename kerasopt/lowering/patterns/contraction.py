"""What the patterns of layers with kernels share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Group, activation_bounds, clamp_bounds
from kerasopt.layers.integer import Affine
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import channel_affine, fold
from kerasopt.lowering.quantizers import integer_kernel, output_affine
from kerasopt.lowering.values import StaysFloat, Value

_OWN_ACTIVATION = "own activation is no ReLU and computes in float32"


def lower_contraction(
    group: Group,
    builder: Builder,
    make: Callable[..., keras.Layer],
    columns: Callable[[np.ndarray], np.ndarray] = lambda kernel: kernel,
    float_output: bool = False,
) -> Value:
    """Lowers a layer with a kernel, its batch normalization and its clamp to an integer layer.

    Args:
        group: The group, its anchor the layer with the kernel.
        builder: The `Builder`.
        make: Makes the integer layer from the affine arguments of `Contraction` and a name.
        columns: Reshapes a kernel to `(..., output channels)`.
        float_output: Whether `make` also makes a layer with a float32 output, from
            `output_affine=None`.

    Returns:
        The `Value` of the integer layer's output.
    """
    layer: Any = group.anchor.operation
    (value,) = builder.inputs(group.anchor)
    if value.affine is None:
        raise StaysFloat("its input has no quantizer")
    output = output_affine(group)
    bounds = (-math.inf, math.inf)
    if output is not None:
        bounds = _clamp(group)
    elif not float_output or len(group.nodes) > 1:
        clamps = activation_bounds(layer) is not None
        raise StaysFloat(f"its {'output has no quantizer' if clamps else _OWN_ACTIVATION}")
    integers, scales = integer_kernel(layer, "kernel")
    weights = _integer_weights(group, columns, integers, scales, value.affine, output)
    made = builder.layer(
        group.anchor,
        (value.affine, output),
        lambda name: make(
            input_affine=value.affine, output_affine=output, **_limits(output, bounds), name=name
        ),
    )
    tensor = made(value.tensor)
    made.set_integers(weights.kernel.reshape(integers.shape), *weights[1:])
    return Value(tensor, output)


def _clamp(group: Group) -> tuple[float, float]:
    activation = group.activation
    if activation is not None:
        bounds = clamp_bounds(activation.operation)
    else:
        bounds = activation_bounds(group.anchor.operation)
    if bounds is None:
        raise StaysFloat(f"its {_OWN_ACTIVATION}")
    return bounds


def _limits(output: Affine | None, bounds: tuple[float, float]) -> dict[str, int]:
    """Returns the bounds of an activation as integers at the output's scale."""
    if output is None:
        return {}
    low, high = bounds
    return {"output_min": output.quantized(low), "output_max": output.quantized(high)}


def _integer_weights(
    group: Group,
    columns: Callable[[np.ndarray], np.ndarray],
    integers: np.ndarray,
    scales: np.ndarray,
    input_affine: Affine,
    output: Affine | None,
) -> Any:
    kernel = columns(integers)
    scales = columns(np.broadcast_to(scales, integers.shape)).reshape(-1, kernel.shape[-1])
    if (scales != scales[0]).any():
        raise StaysFloat("the scales of its kernel are not per output channel")
    normalization = group.batch_normalization
    gain, offset = channel_affine(
        group.anchor.operation,
        None if normalization is None else normalization.operation,
        kernel.shape[-1],
    )
    output_scale = 1.0 if output is None else output.scale
    return fold(kernel, scales[0], gain, offset, input_affine.scale, output_scale)
