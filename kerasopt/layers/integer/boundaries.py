"""The layers between float32 and int8 tensors."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.layers.integer.affine import Affine
from kerasopt.layers.integer.layer import IntegerLayer, deserialize_affines


class _Boundary(IntegerLayer):
    def __init__(self, *, affine: Affine, **kwargs: Any):
        super().__init__(**kwargs)
        self.affine = affine
        # A variable, not a constant: compilers replace the division by a constant with a
        # multiplication, which gives other bits.
        self.scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(affine.scale),
            trainable=False,
        )
        self._build_at_init()

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    # The scale is part of the config; files need no copy of it.
    def save_own_variables(self, store: Any) -> None:
        pass

    def load_own_variables(self, store: Any) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        affine = keras.saving.serialize_keras_object(self.affine)
        return {**super().get_config(), "affine": affine}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Boundary:
        return super().from_config(deserialize_affines(config))


@keras.saving.register_keras_serializable(package="kerasopt")
class Quantize(_Boundary):
    """Rounds float32 values to int8: `clamp(rint(x / scale) + zero_point)`.

    NaN becomes the zero point, infinity an end of the range.

    Args:
        affine: `Affine` of the output.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.quantize(inputs, self.scale, self.affine.zero_point)


@keras.saving.register_keras_serializable(package="kerasopt")
class Dequantize(_Boundary):
    """Returns the float32 values `(q - zero_point) * scale` of int8 values.

    Args:
        affine: `Affine` of the input.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def call(self, inputs: Any) -> Any:
        return ops.dequantize(inputs, self.scale, self.affine.zero_point)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, "float32")
