"""The layers between float32 and integer tensors."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import ops
from kerasopt.inference.integer.layer import IntegerLayer


class _Boundary(IntegerLayer):
    takes_int16 = True
    stored_names = ()  # the scale is part of the config

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        affine = getattr(self, *self.affines)
        # A variable, not a constant: compilers replace the division by a constant with a
        # multiplication, which gives other bits.
        self.scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(affine.scale),
        )


@keras.saving.register_keras_serializable(package="kerasopt")
class Quantize(_Boundary):
    """Rounds float32 values to int8 or int16: `clamp(rint(x / scale) + zero_point)`.

    NaN becomes the zero point, infinity an end of the range.

    Args:
        **kwargs: `output_affine`, the `Affine` of the output, and the arguments of
            `keras.layers.Layer`.
    """

    affines = ("output_affine",)

    def call(self, inputs: Any) -> Any:
        affine = self.output_affine
        inputs = keras.ops.cast(inputs, "float32")  # Keras casts floats, not pixels of uint8
        return ops.quantize(inputs, self.scale, affine.zero_point, affine.dtype)


@keras.saving.register_keras_serializable(package="kerasopt")
class Dequantize(_Boundary):
    """Returns the float32 values `(q - zero_point) * scale` of int8 or int16 values.

    A mask that it is called with hangs on its output, where Keras' losses look for it.

    Args:
        **kwargs: `input_affine`, the `Affine` of the input, and the arguments of
            `keras.layers.Layer`.
    """

    affines = ("input_affine",)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return previous_mask

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return ops.dequantize(inputs, self.scale, self.input_affine.zero_point)
