"""Tensors of ONNX files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kerasopt.parity.foreign_file import ask_for_trace
from kerasopt.parity.trace import Tensor, Trace


def trace_onnx(path: str | os.PathLike, data: Any) -> Trace:
    """Returns the tensors that onnxruntime computes for `data`.

    These are the integer tensors, which are made outputs, and the outputs.
    """
    from kerasopt.exporters.onnx import run
    from kerasopt.exporters.onnx.tensors import CHANNELS_FIRST

    run.require_runtime()
    tensors, outputs = ask_for_trace("onnxruntime", run.__file__, path, data)
    found = {}
    for name, tensor in tensors:
        if name.endswith(CHANNELS_FIRST):
            name = name.removesuffix(CHANNELS_FIRST)
            tensor = Tensor(np.moveaxis(tensor.values, 1, -1), tensor.affine)
        found[name] = tensor
    return Trace(found, outputs)
