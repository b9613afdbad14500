"""Integer embedding layer."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.inference.integer.layer import IntegerLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class QuantizedEmbedding(IntegerLayer):
    """Looks up rows of an int8 table, which are at the scale of the output.

    Input: integers of any shape. Output: int8 of shape `(*input_shape, output_dim)`.

    Args:
        input_dim: Positive integer, the number of rows.
        output_dim: Positive integer, the length of a row.
        **kwargs: `output_affine`, and the arguments of `keras.layers.Layer`.

    Attributes:
        embeddings: int8 variable of shape `(input_dim, output_dim)`.
    """

    affines = ("output_affine",)
    reads_indices = True

    def __init__(self, input_dim: int, output_dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(input_dim, output_dim),
            dtype="int8",
        )

    def call(self, inputs: Any) -> Any:
        return keras.ops.take(self.embeddings, keras.ops.cast(inputs, "int32"), axis=0)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        config = {"input_dim": self.input_dim, "output_dim": self.output_dim}
        return {**super().get_config(), **config}
