"""What LiteRT and ONNX files cannot hold, said before anything is written."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph import layers
from kerasopt.keras_internals.graphs import producer

# What runtimes take and return, though some of it only to cast it.
_BOTH = (
    *("bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64"),
    *("uint8", "uint16", "uint32"),
)
_DTYPES = {"LiteRT": _BOTH, "ONNX": (*_BOTH, "uint64")}


def require_possible(model: keras.Model, functional: Any, runtime: str) -> None:
    """Raises `ValueError` for state between calls, and for dtypes that a runtime does not take.

    Args:
        model: A `keras.Model`.
        functional: The functional model of its calls.
        runtime: `"LiteRT"` or `"ONNX"`.
    """
    stateful = [path for path, layer in layers(model) if getattr(layer, "stateful", False)]
    if stateful:
        raise ValueError(
            f"{runtime} files keep no state between calls, and {stateful[:5]} have stateful=True. "
            "Build them with stateful=False (state can be an input and an output: "
            "`initial_state`, `return_state=True`), or export with format='tf_saved_model'."
        )
    for kind, tensors in (("Input", functional.inputs), ("Output", functional.outputs)):
        for tensor in tensors:
            if tensor.dtype not in _DTYPES[runtime]:
                raise ValueError(
                    f"{kind} '{producer(tensor).name}' has a dtype that {runtime} "
                    f"does not take. {_advice(tensor.dtype, runtime)}, or export with "
                    f"format='tf_saved_model'. Received: dtype={tensor.dtype!r}"
                )


def _advice(dtype: str, runtime: str) -> str:
    if dtype == "string":
        return (
            "Look strings up before the model (apply StringLookup, TextVectorization or Hashing "
            "to the data, and build the model on the indices that they return)"
        )
    return f"Cast it to one of {list(_DTYPES[runtime])}"
