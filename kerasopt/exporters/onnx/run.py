"""Running ONNX files in onnxruntime."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np


def has_runtime() -> bool:
    """Whether onnxruntime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


class OnnxRuntime:
    """An ONNX file that onnxruntime runs on the CPU.

    Args:
        source: String or `os.PathLike` of a file, or its bytes.

    Raises:
        ImportError: If onnxruntime is not installed.
        ValueError: If it cannot read the file.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                'ONNX files are run by onnxruntime: `pip install "kerasopt[onnx]"`.'
            ) from error
        options = onnxruntime.SessionOptions()
        # Else float rows are rounded to int8 before some products with integer weights.
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
        try:
            session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else os.fspath(source),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # of classes that onnxruntime does not export
            name = "the file" if isinstance(source, bytes) else os.fspath(source)
            raise ValueError(
                f"onnxruntime cannot read {name}, it may be damaged: {error}"
            ) from error
        self._session = session
        self.inputs = [each.name for each in session.get_inputs()]
        self.outputs = [each.name for each in session.get_outputs()]

    def __call__(self, *values: Any) -> list[np.ndarray]:
        """Returns the outputs for a batch."""
        return self._session.run(None, dict(zip(self.inputs, values, strict=True)))

    def run_once(self) -> None:
        """Runs the file on zeros, if only the size of the batch is not known."""
        shapes = [each.shape for each in self._session.get_inputs()]
        if any(isinstance(size, str) for shape in shapes for size in shape[1:]):
            return
        types = [each.type for each in self._session.get_inputs()]
        self(
            *(
                np.zeros((1, *shape[1:]), _DTYPES[name])
                for shape, name in zip(shapes, types, strict=True)
            )
        )


_DTYPES = {
    "tensor(bool)": "bool",
    "tensor(float)": "float32",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
}
