"""Weights whose scale is learned."""

import math

import keras

from kerasopt.quantization.learned_step import SMALLEST_STEP, round_with_learned_step
from kerasopt.quantization.weights.weight_quantizer import WeightQuantizer


@keras.saving.register_keras_serializable(package="kerasopt")
class LSQWeight(WeightQuantizer):
    """Integers whose scale is learned with the weights (alias `"lsq"`).

        q = clamp(rint(w / step)),  y = q * step

    with the gradient of `round_with_learned_step` for the step, divided by
    `sqrt(N * Q)`: N weights share it, and Q is the largest integer. When it is
    enabled, the step is

        step = 2 * mean|w| / sqrt(Q)

    over the weights that are not zero, which clamps some at 4 bits and fewer.
    The paper has one step for a layer (a spec of granularity `"tensor"`).

    Args:
        axis: As in `WeightQuantizer`.
        format: A symmetric `Format` of 2 bits or more. Defaults to 8 bits.

    Attributes:
        step: Trainable float32 variable (number of scales,).

    Reference:
        Esser et al., "Learned Step Size Quantization" (2020,
        https://arxiv.org/abs/1902.08153).
    """

    def check_format(self):
        super().check_format()
        if not self.format.symmetric:
            self.refuse("symmetric integers")

    def build(self, input_shape):
        super().build(input_shape)
        self.step = self.add_weight(
            shape=(self.channels.count,), initializer="ones", autocast=False, name="step"
        )

    @property
    def learned(self):
        return [self.step]

    def settle(self, value):
        ops = keras.ops
        magnitude = ops.abs(self.channels.split(value))
        number = ops.maximum(ops.sum(ops.cast(magnitude > 0, "float32"), axis=0), 1.0)
        mean = ops.sum(magnitude, axis=0) / number
        step = 2.0 * mean / math.sqrt(self.format.maximum)
        self.step.assign(ops.where(step > 0, step, 1.0))

    def affine(self, values):
        step = keras.ops.maximum(keras.ops.convert_to_tensor(self.step), SMALLEST_STEP)
        return step, keras.ops.zeros_like(step)

    def rounded(self, values):
        ops = keras.ops
        step, _ = self.affine(values)
        slowness = math.sqrt(values.shape[0] * self.format.maximum)
        return round_with_learned_step(
            values, step, ops.zeros(()), self.format, ops.convert_to_tensor(slowness, "float32")
        )
