"""Activations whose scale and zero point are learned."""

import keras

from kerasopt.quantization.activations.activation_quantizer import ActivationQuantizer
from kerasopt.quantization.learned_step import SMALLEST_STEP, round_with_learned_step


@keras.saving.register_keras_serializable(package="kerasopt")
class LSQActivation(ActivationQuantizer):
    """Integers whose step and offset are learned (alias `"lsq"`).

        q = clamp(rint(x / step) + z),  z = clamp(rint(minimum - offset / step))
        y = (q - z) * step

    with the gradients of `round_with_learned_step`, divided by `sqrt(N * Q)`: N
    values of an example share them, and Q is the number of steps. They begin
    with the range that the observer has seen when it is enabled. A symmetric
    format has no offset (LSQ), an asymmetric one has it (LSQ+); there the zero
    point is rounded, unlike in the paper, so that zero, and what is padded with
    it, stays one of the values.

    Args:
        format: As in `ActivationQuantizer`.
        observer: As in `ActivationQuantizer`.

    Attributes:
        step: Trainable float32 scalar variable.
        offset: Trainable float32 scalar variable.

    References:
        - Esser et al., "Learned Step Size Quantization" (2020,
          https://arxiv.org/abs/1902.08153).
        - Bhalgat et al., "LSQ+" (2020, https://arxiv.org/abs/2004.09576).
    """

    settles = True

    def build(self, input_shape):
        super().build(input_shape)
        self.step = self.add_weight(initializer="ones", autocast=False, name="step")
        self.offset = self.add_weight(initializer="zeros", autocast=False, name="offset")

    @property
    def learned(self):
        return [self.step] if self.format.symmetric else [self.step, self.offset]

    def settle(self, value=None):
        super().settle()
        step, zero_point = self.format.affine(self.observer.minimum, self.observer.maximum)
        self.step.assign(step)
        self.offset.assign((self.format.minimum - zero_point) * step)

    def affine(self):
        ops, format = keras.ops, self.format
        step = ops.maximum(ops.convert_to_tensor(self.step), SMALLEST_STEP)
        if format.symmetric:
            return step, ops.zeros_like(step)
        zero_point = ops.round(format.minimum - ops.convert_to_tensor(self.offset) / step)
        return step, ops.clip(zero_point, format.minimum, format.maximum)

    def rounded(self, inputs):
        ops = keras.ops
        step = ops.maximum(ops.convert_to_tensor(self.step), SMALLEST_STEP)
        number = ops.cast(ops.prod(ops.shape(inputs)[1:]), "float32")
        largest = self.format.maximum - (0 if self.format.symmetric else self.format.minimum)
        return round_with_learned_step(
            inputs,
            step,
            ops.convert_to_tensor(self.offset),
            self.format,
            ops.sqrt(number * largest),
        )

    def call(self, inputs, training=None):
        self.observe(inputs, training)
        return keras.ops.where(self.enabled.value, self.rounded(inputs), inputs)
