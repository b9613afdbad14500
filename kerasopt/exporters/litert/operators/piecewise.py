"""Functions that are a line between two ends, such as hard sigmoid: additions on integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.litert.operators.clamp import clamped
from kerasopt.inference import Affine


class Line(NamedTuple):
    """`clip(slope * x + offset, low, high)`."""

    slope: float
    offset: float
    low: float
    high: float

    def scaled(self, scale: float, offset: float) -> Line:
        """Returns the line of `scale * y + offset`, for a positive scale."""
        low, high = self.low * scale + offset, self.high * scale + offset
        return Line(self.slope * scale, self.offset * scale + offset, low, high)

    def clipped(self, low: float, high: float) -> Line:
        """Returns the line of `clip(y, low, high)`."""
        ends = np.clip([self.low, self.high], low, high)
        return self._replace(low=float(ends[0]), high=float(ends[1]))


@dataclass(frozen=True)
class _Clamp:
    """What `clamped` reads of a layer."""

    name: str
    output_affine: Affine
    output_min: int
    output_max: int


def of(functions: Sequence[Any]) -> Line | None:
    """Returns the line that functions are, one after another; `None` if they are none."""
    line: Line | None = Line(1.0, 0.0, -np.inf, np.inf)
    for function in functions:
        line = None if line is None else _after(line, function)
    return line


def write(line: Line, layer: Any, writer: Any, source: int, output: int) -> None:
    """Adds the operators of a line: its offset, and what turns the scale."""
    target, slope = layer.output_affine, np.float32(line.slope)
    # The integers are those of the output already.
    before = Affine(float(np.float32(target.scale) / slope), target.zero_point)
    ends = (target.quantized(end) for end in (line.low, line.high))
    moved = writer.quantized(output, f"{layer.name}/moved", before)
    steps = _constant(writer, f"{layer.name}/offset", line.offset / line.slope)
    options = schema.AddOptionsT()
    options.potScaleInt16 = False
    with clamped(_Clamp(layer.name, before, *ends), writer, moved) as (act, index):
        options.fusedActivationFunction = act
        writer.buffer.operator("ADD", [source, steps], [index], options, version=2)
    factor = _constant(writer, f"{layer.name}/slope", line.slope)
    options = schema.MulOptionsT()
    writer.buffer.operator("MUL", [moved, factor], [output], options, version=2)


def _after(line: Line, function: Any) -> Line | None:
    if isinstance(function, keras.layers.Rescaling):
        scale, offset = function.scale, function.offset
        is_number = isinstance(scale, int | float) and isinstance(offset, int | float)
        return line.scaled(scale, offset) if is_number and scale > 0 else None
    if isinstance(function, keras.layers.ReLU):
        if function.negative_slope or function.threshold:
            return None
        return line.clipped(0.0, np.inf if function.max_value is None else function.max_value)
    name = getattr(getattr(function, "activation", None), "__name__", type(function).__name__)
    if name in ("relu", "relu6"):
        return line.clipped(0.0, 6.0 if name == "relu6" else np.inf)
    if name in ("hard_sigmoid", "HardSigmoid"):
        return line.scaled(1 / 6, 0.5).clipped(0.0, 1.0)
    return None


def _constant(writer: Any, name: str, value: float) -> int:
    """Adds a number as an integer and a scale; 0 is one of scale 1."""
    integer = np.array([np.sign(value)], "int8")
    return writer.buffer.constant(name, integer, Quantization(abs(value) or 1.0))
