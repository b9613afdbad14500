"""The tensors of a LiteRT file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt.layers.integer import Affine
from kerasopt.parity.trace import Tensor, Trace


def trace_litert(path: str | os.PathLike, data: Any) -> Trace:
    """Returns the tensors that LiteRT computes of `data`, with XNNPACK.

    For that every tensor becomes an output: what XNNPACK computes inside of it would else be gone.
    """
    from kerasopt.exporters.litert.run import LiteRT, with_all_outputs

    plain = LiteRT(path)
    shown = LiteRT(with_all_outputs(Path(path).read_bytes()))
    arrays = [np.asarray(value) for value in keras.tree.flatten(data)]
    inputs = [_as_input(*pair) for pair in zip(arrays, shown.inputs, strict=True)]
    values = [*inputs, *shown(*inputs)]
    tensors = {
        details["name"]: Tensor(value, affine_of(details))
        for details, value in zip([*shown.inputs, *shown.outputs], values, strict=True)
    }
    names = {details["index"]: details["name"] for details in shown.outputs}
    return Trace(tensors, [names[details["index"]] for details in plain.outputs])


def affine_of(details: dict) -> Affine | None:
    """Returns what the integers of a tensor stand for, by LiteRT's description of it."""
    parameters = details["quantization_parameters"]
    if details["dtype"] not in (np.int8, np.int16) or len(parameters["scales"]) != 1:
        return None
    bits = 8 * np.dtype(details["dtype"]).itemsize
    return Affine(parameters["scales"][0], parameters["zero_points"][0], bits)


def _as_input(value: np.ndarray, details: dict) -> np.ndarray:
    affine = affine_of(details)
    if affine is None:
        return value.astype(details["dtype"])
    return Tensor(value.astype("float32")).integers(affine)
