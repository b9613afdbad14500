"""Elementwise functions of int8 tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.affine import Affine
from kerasopt.inference.integer.layer import IntegerLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedActivation(IntegerLayer):
    """Applies an elementwise function to an int8 tensor, by a table of its 256 results.

    The table is a weight, so what a file computes does not depend on the mathematics library of
    the machine that reads it.

    Input: int8 of any shape. Output: int8 of that shape.

    ```python
    layer = QuantizedActivation(
        [keras.layers.Activation("silu")],
        input_affine=Affine(0.05, 0),
        output_affine=Affine(0.03, -119),
    )
    ```

    Args:
        functions: List of Keras operations that are applied one after another: layers without
            weights, such as `keras.layers.Activation`.
        **kwargs: `input_affine` and `output_affine`, and the arguments of `keras.layers.Layer`.
    """

    def __init__(self, functions: Sequence[keras.Operation], **kwargs: Any):
        super().__init__(**kwargs)
        # In a list of its own Keras would track them as parts, and save them once more.
        self.functions = tuple(functions)
        self.table = self.add_weight(name="table", shape=(256,), dtype="int8")
        self.table.assign(self._results())

    def call(self, inputs: Any) -> Any:
        return ops.look_up(inputs, self.table)

    def apply(self, values: Any) -> Any:
        """Returns what the functions make of float values."""
        for function in self.functions:
            values = function(values)
        return values

    def get_config(self) -> dict[str, Any]:
        functions = [keras.saving.serialize_keras_object(each) for each in self.functions]
        for function in functions:
            function.pop("build_config", None)  # of the 256 values that made the table
        return {**super().get_config(), "functions": functions}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizedActivation:
        functions = [keras.saving.deserialize_keras_object(each) for each in config["functions"]]
        return super().from_config({**config, "functions": functions})

    def _results(self) -> np.ndarray:
        source, target = self.input_affine, self.output_affine
        steps = np.arange(-128, 128, dtype="float32") - np.float32(source.zero_point)
        values = keras.ops.convert_to_numpy(self.apply(steps * np.float32(source.scale)))
        return quantized(values, target)


def quantized(values: np.ndarray, affine: Affine) -> np.ndarray:
    """Rounds float32 values to int8, as `kerasopt.ops.quantize` does."""
    q = np.rint(values.astype("float32") / np.float32(affine.scale)) + affine.zero_point
    return np.where(np.isnan(q), affine.zero_point, np.clip(q, -128, 127)).astype("int8")
