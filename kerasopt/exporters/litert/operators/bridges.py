"""Float calls between integers that LiteRT computes on integers: the boundaries fall away."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.flatbuffer import Quantization
from kerasopt.exporters.parts import rounded_to
from kerasopt.graph import Node
from kerasopt.inference import Affine
from kerasopt.inference.integer.boundaries import Dequantize


def affine_of(node: Node) -> Affine | None:
    """Returns what the integers stand for that a float call is rounded to, if it is such a call.

    It reads integers that were made real for it, and all that reads it rounds to one scale.
    """
    layer: Any = node.operation
    is_prelu = type(layer) is keras.layers.PReLU
    is_bilinear = (
        type(layer) is keras.layers.UpSampling2D
        and (layer.interpolation, layer.data_format) == ("bilinear", "channels_last")
        and None not in node.keras_node.outputs[0].shape[1:]
    )
    if not (is_prelu or is_bilinear) or node.is_output or len(node.inputs) != 1:
        return None
    affine, source = rounded_to(node), node.inputs[0].source.operation
    if affine is None or not isinstance(source, Dequantize):
        return None
    return affine if source.input_affine.bits == affine.bits == 8 else None


def write(node: Any, writer: Any, inputs: list[int], output: int) -> None:
    """Adds the operator of a call that is bridged, from integers to integers."""
    layer = node.operation
    if isinstance(layer, keras.layers.PReLU):
        alpha = keras.ops.convert_to_numpy(layer.alpha)
        scale = np.float32(np.abs(alpha).max() / 127 or 1.0)
        integers = np.rint(alpha / scale).astype("int8")
        alpha = writer.buffer.constant(f"{layer.name}/alpha", integers, Quantization(scale))
        writer.buffer.operator("PRELU", [*inputs, alpha], [output])
        return
    # LiteRT interpolates at the input's scale.
    source = node.inputs[0].source.operation.input_affine
    enlarged = writer.quantized(output, f"{layer.name}/enlarged", source)
    size = writer.constant(f"{layer.name}/size", np.array(writer.shape(output)[1:3], "int32"))
    options = schema.ResizeBilinearOptionsT()
    options.halfPixelCenters = True
    writer.buffer.operator("RESIZE_BILINEAR", [*inputs, size], [enlarged], options, version=3)
    options = schema.QuantizeOptionsT()
    writer.buffer.operator("QUANTIZE", [enlarged], [output], options, version=2)
