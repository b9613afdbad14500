"""Running LiteRT files."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np


class LiteRT:
    """A LiteRT file that is run as LiteRT runs it by default, with XNNPACK.

    Args:
        source: String or `os.PathLike` of a file, or its bytes.

    Raises:
        ValueError: If LiteRT cannot read the file.
    """

    def __init__(self, source: str | os.PathLike | bytes):
        import tensorflow as tf

        is_content = isinstance(source, bytes)
        where = {"model_content": source} if is_content else {"model_path": os.fspath(source)}
        with warnings.catch_warnings():
            # TensorFlow says that its interpreter moves to a package of its own.
            warnings.simplefilter("ignore")
            try:
                self._interpreter = tf.lite.Interpreter(**where)
            except ValueError as error:
                name = "the file" if is_content else repr(source)
                raise ValueError(f"LiteRT cannot read {name}, it may be damaged: {error}") from None
        self.inputs: list[dict] = self._interpreter.get_input_details()
        self.outputs: list[dict] = self._interpreter.get_output_details()

    def __call__(self, *values: Any) -> list[np.ndarray]:
        """Returns the outputs for a batch; the file's batch size changes with it."""
        for details, value in zip(self.inputs, values, strict=True):
            if list(details["shape"]) != list(value.shape):
                self._interpreter.resize_tensor_input(details["index"], value.shape)
        self._interpreter.allocate_tensors()
        self.inputs = self._interpreter.get_input_details()
        for details, value in zip(self.inputs, values, strict=True):
            self._interpreter.set_tensor(details["index"], value)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(details["index"]) for details in self.outputs]

    def run_once(self) -> None:
        """Runs the file on zeros, to see that it runs."""
        self(*(np.zeros(details["shape"], details["dtype"]) for details in self.inputs))


def with_all_outputs(content: bytes) -> bytes:
    """Returns a LiteRT file that also has what its operators compute as outputs."""
    from tensorflow.lite.python import schema_py_generated as schema

    from kerasopt.exporters.litert.flatbuffer import pack

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))
    main = model.subgraphs[0]
    computed = [int(index) for operator in main.operators for index in operator.outputs]
    main.outputs = list(dict.fromkeys([*computed, *map(int, main.outputs)]))
    # Signatures name the outputs that were.
    model.signatureDefs = None
    return pack(model)
