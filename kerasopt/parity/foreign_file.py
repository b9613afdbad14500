"""Tensors of files of other runtimes."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.inference import Affine
from kerasopt.parity.trace import Tensor


def ask_for_trace(
    runtime: str, script: str, path: str | os.PathLike, data: Any
) -> tuple[list[tuple[str, Tensor]], list[str]]:
    """Returns the named tensors that a file computes for `data`, and the names of its outputs.

    Args:
        runtime: String, the name of the runtime.
        script: Path of the module that runs the file.
        path: Path of the file.
        data: A batch of inputs.

    Raises:
        ValueError: If the file cannot be read or run.
    """
    arrays = [np.asarray(value) for value in keras.tree.flatten(data)]
    with ForeignProcess(runtime, script) as process:
        (described, outputs), values = process.ask(path, arrays, trace=True)
    try:
        tensors = [
            (name, Tensor(value, _affine(scale, zero_point, value.dtype)))
            for (name, scale, zero_point), value in zip(described, values, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is damaged: {error}") from error
    return tensors, outputs


def _affine(scale: float | None, zero_point: int | None, dtype: np.dtype) -> Affine | None:
    if scale is None or zero_point is None or dtype not in (np.int8, np.int16):
        return None
    return Affine(scale, zero_point, bits=8 * dtype.itemsize)
