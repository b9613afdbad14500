"""The same integers at another scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.inference import Affine


def rescale(layer: Any, writer: Any, source: int, output: int, before: Affine) -> None:
    """Multiplies with a constant 1 whose scale makes the same integers of a layer's output."""
    ratio = Quantization(np.float32(layer.output_affine.scale) / np.float32(before.scale))
    one = writer.buffer.constant(f"{layer.name}/scale", np.ones(1, "int8"), ratio)
    options = schema.MulOptionsT()
    writer.buffer.operator("MUL", [source, one], [output], options, version=2)
