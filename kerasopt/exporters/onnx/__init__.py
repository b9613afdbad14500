"""The ONNX format: `.onnx` files with QuantizeLinear and DequantizeLinear pairs."""

from __future__ import annotations

from pathlib import Path

import keras

try:
    import onnx
except ImportError as error:
    raise ImportError(
        'Files of ONNX are written by the package onnx: `pip install "kerasopt[onnx]"`.'
    ) from error

from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.exporters.onnx import run
from kerasopt.exporters.onnx.writer import Writer
from kerasopt.exporters.refusals import require_possible
from kerasopt.exporters.trial import trial_inputs
from kerasopt.graph import recorded

OPSETS = (21, 22, 23)


def write(model: keras.Model, path: Path, opset: int = 21) -> None:
    """Writes an ONNX file, checks it, and runs it once where onnxruntime is installed.

    Every integer layer is a float operator between DequantizeLinear and QuantizeLinear, which
    runtimes fuse into an integer one. See `kerasopt.export`. On x86 onnxruntime fuses where one
    operator alone reads an int8 tensor, and computes the others in float32. With the session's
    entry `"session.qdqisint8allowed"` of `"1"` it fuses them all, but its kernels of int8 by int8
    may be slower there than float32. Layers of int16 values run in float32; onnxruntime rounds what
    dense ones read to int8 unless `"session.qdq_matmulnbits_accuracy_level"` is `"1"`.

    Tensors have the names of the layers that compute them. An image with its channels first ends in
    `/channels_first`; where something reads it with its channels last, that has the layer's name.
    """
    if opset not in OPSETS:
        raise ValueError(f"`opset` must be one of {OPSETS}. Received: opset={opset!r}")
    with ForeignProcess("ONNX", run.__file__) as runtime, recorded(model) as functional:
        require_possible(model, functional, "ONNX")
        onnx.save(Writer(functional, opset).write(), path)
        runtime.check(path, trial_inputs(functional))
