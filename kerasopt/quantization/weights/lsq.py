"""Weights with a learned scale."""

import math

import keras

from kerasopt.quantization.formats import NEGLIGIBLE
from kerasopt.quantization.learned_step import (
    LearnedNumber,
    positive,
    round_with_learned_step,
)
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer


@WEIGHT_QUANTIZERS.register("lsq")
class LSQWeight(WeightQuantizer):
    """LSQ: integers with a learned scale (alias `"lsq"`).

        q = clamp(rint(w / step)),  y = q * step

    with the gradient of `round_with_learned_step` for the step, divided by
    `sqrt(N * Q)`, where N is the number of weights that share it and Q the
    largest integer. The trained variable is the ratio of the step to its
    initial value; see `LearnedNumber`. When the quantizer is enabled, the step
    is initialized to

        step = min((|mean(w)| + 3 * std(w)) / 2^(bits - 1), max|w| / Q)

    over the nonzero weights: the value of LSQ+ (section 3.2.1), limited to the
    largest weight. (The `2 * mean|w| / sqrt(Q)` of LSQ leaves most of 8 bits
    unused.) The papers use one step per layer (granularity `"tensor"`).

    ```python
    ko.callbacks.QuantizationAware(
        "int4", begin="10%", weight_quantizer="lsq", learned_rate=0.1
    )
    ```

    Args:
        axis: As in `WeightQuantizer`.
        format: A symmetric `Format` of 2 bits or more. Defaults to 8 bits.

    Attributes:
        step: `LearnedNumber` of shape (number of scales,).

    References:
        - Esser et al., "Learned Step Size Quantization" (2020,
          https://arxiv.org/abs/1902.08153).
        - Bhalgat et al., "LSQ+" (2020, https://arxiv.org/abs/2004.09576).
    """

    is_symmetric = True

    def build(self, input_shape):
        super().build(input_shape)
        self.step = LearnedNumber(self, "step", (self.channels.count,))

    @property
    def learned(self):
        return [self.step.ratio]

    def settle(self, value):
        ops = keras.ops
        values = self.channels.split(value)
        kept = ops.cast(values != 0, "float32")
        number = ops.maximum(ops.sum(kept, axis=0), 1.0)
        mean = ops.sum(values, axis=0) / number
        variance = ops.sum(kept * (values - mean) ** 2, axis=0) / number
        bound = ops.abs(mean) + 3.0 * ops.sqrt(variance)
        step = ops.minimum(
            bound / 2 ** (self.format.bits - 1),
            ops.max(ops.abs(values), axis=0) / self.format.maximum,
        )
        step = ops.where(step > NEGLIGIBLE, step, 1.0)
        self.step.start(step, step)

    def affine(self, values):
        step = positive(self.step)
        return step, keras.ops.zeros_like(step)

    def rounded(self, values):
        ops = keras.ops
        step = positive(self.step, math.sqrt(values.shape[0] * self.format.maximum))
        zero, always = ops.zeros(()), ops.ones(())
        return round_with_learned_step(
            values, step, ops.zeros_like(step), zero, self.format, always
        )
