"""Activations whose scale and zero point are learned."""

import keras

from kerasopt.quantization.activations.activation_quantizer import ActivationQuantizer
from kerasopt.quantization.learned_step import (
    LearnedNumber,
    positive,
    round_with_learned_step,
)
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS


@ACTIVATION_QUANTIZERS.register("lsq")
class LSQActivation(ActivationQuantizer):
    """LSQ: integers with a learned step and offset (alias `"lsq"`).

        q = clamp(rint(x / step) + z),  z = clamp(rint(minimum - offset / step))
        y = (q - z) * step

    with the gradients of `round_with_learned_step`, divided by `sqrt(N * Q)`,
    where N is the number of values in an example and Q the number of steps.
    Both are initialized from the observed range when the quantizer is enabled.
    A symmetric format has no offset (LSQ), an asymmetric one has (LSQ+). Unlike
    in the paper, the zero point is rounded, so that zero, also as padding, is
    represented exactly. The trained variables are the ratios of both to their
    initial values; see `LearnedNumber`.

    ```python
    ko.callbacks.QuantizationAware("int4", begin="10%", activation_quantizer="lsq")
    ```

    Args:
        format: As in `ActivationQuantizer`.
        observer: As in `ActivationQuantizer`.

    Attributes:
        step: `LearnedNumber`.
        offset: `LearnedNumber`; `None` if the format is symmetric.

    References:
        - Esser et al., "Learned Step Size Quantization" (2020,
          https://arxiv.org/abs/1902.08153).
        - Bhalgat et al., "LSQ+" (2020, https://arxiv.org/abs/2004.09576).
    """

    settles = True

    def build(self, input_shape):
        super().build(input_shape)
        self.step = LearnedNumber(self, "step")
        self.offset = None if self.format.symmetric else LearnedNumber(self, "offset")

    @property
    def learned(self):
        return [number.ratio for number in (self.step, self.offset) if number is not None]

    def settle(self, value=None):
        super().settle()
        step, zero_point = self.format.affine(*self.observer.range)
        self.step.start(step, step)
        if self.offset is not None:
            offset = (self.format.minimum - zero_point) * step
            self.offset.start(offset, self._levels * step)

    def change_width(self, format, value=None):
        # The learned range stays; the step changes with the number of steps.
        span = positive(self.step) * self._levels
        offset = None if self.offset is None else self.offset.value()
        self.format = format
        self.step.start(span / self._levels, span / self._levels)
        if offset is not None:
            self.offset.start(offset, span)

    @property
    def _levels(self):
        """The number of steps from zero, or from the lowest integer, to the largest."""
        return self.format.maximum - (0 if self.format.symmetric else self.format.minimum)

    def affine(self):
        ops, format, step = keras.ops, self.format, positive(self.step)
        if self.offset is None:
            return step, ops.zeros_like(step)
        zero_point = ops.round(format.minimum - self.offset.value() / step)
        return step, ops.clip(zero_point, format.minimum, format.maximum)

    def call(self, inputs, training=None):
        ops = keras.ops
        *_, enabled = self.observe(inputs, training)
        number = ops.cast(ops.prod(ops.shape(inputs)[1:]), "float32")
        slowness = ops.sqrt(number * self._levels)
        step = positive(self.step, slowness)
        offset = ops.zeros(()) if self.offset is None else self.offset.value(slowness)
        zero_point = self.affine()[1]
        return round_with_learned_step(inputs, step, zero_point, offset, self.format, enabled)
