"""The clamp of an integer layer: fused into its operator where LiteRT knows it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema


@contextlib.contextmanager
def clamped(layer: Any, writer: Any, output: int) -> Iterator[tuple[int, int]]:
    """Yields the fused activation of an operator and the tensor it writes to.

    A clamp that is none of LiteRT's activations follows as MAXIMUM and MINIMUM.
    """
    fused = _fused_activation(layer)
    if fused is not None:
        yield fused, output
        return
    before = writer.like(output, f"{layer.name}/unclamped")
    yield schema.ActivationFunctionType.NONE, before
    above = writer.like(output, f"{layer.name}/above")
    for name, bound, source, target in (
        ("MAXIMUM", layer.output_min, before, above),
        ("MINIMUM", layer.output_max, above, output),
    ):
        value = np.array([bound], layer.output_affine.dtype)
        constant = writer.constant(f"{layer.name}/{name.lower()}", value)
        tensors = writer.buffer.subgraph.tensors
        tensors[constant].quantization = tensors[output].quantization
        options = schema.MaximumMinimumOptionsT()
        writer.buffer.operator(name, [source, constant], [target], options, version=2)


def _fused_activation(layer: Any) -> int | None:
    affine, low, high = layer.output_affine, layer.output_min, layer.output_max
    functions = schema.ActivationFunctionType
    if (low, high) == (affine.minimum, affine.maximum):
        return functions.NONE
    if (low, high) == (affine.zero_point, affine.maximum):
        return functions.RELU
    if low == affine.zero_point and high == affine.quantized(6.0):
        return functions.RELU6
    return None
