"""Rounding to 16-bit floating point."""

import keras

from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import FloatFormat
from kerasopt.quantization.quantizer import Quantizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Cast(Quantizer):
    """A weight or an activation rounded to float16 or bfloat16.

        y = float32(float16(x))

    Values beyond the range of float16 (65504) become infinite. The gradient
    passes straight through: it is 1, in float32.

    Args:
        format: A `FloatFormat`. Defaults to float16.
        enabled: Boolean, whether it rounds from the start.
    """

    default_format = FloatFormat("float16")

    def check_format(self):
        if not isinstance(self.format, FloatFormat):
            self.refuse("a `FloatFormat`")

    def call(self, inputs):
        rounded = keras.ops.cast(keras.ops.cast(inputs, self.format.dtype), "float32")
        rounded = keras.ops.where(self.enabled.value, rounded, inputs)
        return with_gradient_of(inputs, rounded)
