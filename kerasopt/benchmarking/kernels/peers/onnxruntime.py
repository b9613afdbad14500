"""ONNX graphs in onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasopt.benchmarking.kernels.case import Call


def call_of(
    graph: Callable[[], Any], inputs: Mapping[str, np.ndarray], threads: int
) -> Call | None:
    """Returns a call that computes a graph.

    Args:
        graph: A function that makes an ONNX `GraphProto`, called if onnx is installed.
        inputs: Arrays by the names of the graph's inputs.
        threads: Integer, the number of threads.
    """
    if not all(map(importlib.util.find_spec, ("onnx", "onnxruntime"))):
        return None
    import onnxruntime
    from onnx import helper

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph(), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, inputs)
