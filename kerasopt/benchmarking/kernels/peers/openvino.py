"""Models and files in OpenVINO."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasopt.benchmarking.kernels.case import Call


def call_of(model: Callable[[], Any], inputs: Sequence[np.ndarray], threads: int) -> Call | None:
    """Returns a call that computes a model.

    Args:
        model: A function that makes an `openvino.Model`, or returns the path of a file that
            OpenVINO reads; called if OpenVINO is installed.
        inputs: The arrays of the inputs, in the model's order.
        threads: Integer, the number of threads.
    """
    if not importlib.util.find_spec("openvino"):
        return None
    import openvino

    request = compiled(model(), threads).create_infer_request()
    for index, values in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(values))
    return request.infer


def compiled(model: Any, threads: int) -> Any:
    """Returns the `openvino.CompiledModel` for the CPU."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    return openvino.Core().compile_model(model, "CPU", settings)
