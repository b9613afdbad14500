"""Ternary weights."""

import keras

from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import NEGLIGIBLE, Format
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer


@WEIGHT_QUANTIZERS.register("ternary")
class TernaryWeight(WeightQuantizer):
    """Ternary weights: -1, 0 or 1, times a scale (alias `"ternary"`).

        delta = threshold * mean|w|
        y = scale * sign(w) where |w| > delta, else 0
        scale = mean of |w| over |w| > delta

    for each channel (equations 3 and 6 of the paper; the threshold of 0.7 is close to optimal for
    normally distributed weights). Zeros stay zero. The gradient passes straight through, as in the
    paper: it is 1.

    ```python
    ko.callbacks.QuantizationAware("ternary", rules=[("stem", "int8"), ("classifier", "int8")])
    ```

    Args:
        axis: As in `WeightQuantizer`.
        format: A symmetric `Format` of 2 bits.
        threshold: Positive float.

    Reference:
        Li et al., "Ternary Weight Networks" (2016, https://arxiv.org/abs/1605.04711).
    """

    default_format = Format(2, symmetric=True)

    def __init__(self, axis=-1, format=None, threshold=0.7, **kwargs):
        super().__init__(axis, format, **kwargs)
        if not threshold > 0:
            raise ValueError(f"`threshold` must be above 0. Received: threshold={threshold!r}")
        self.threshold = threshold

    def check_format(self):
        if self.format != self.default_format:
            self.refuse("-1, 0 and 1, a symmetric `Format` of 2 bits")

    def affine(self, values):
        scale, _ = self._fit(values)
        return scale, keras.ops.zeros_like(scale)

    def rounded(self, values):
        scale, codes = self._fit(values)
        return with_gradient_of(values, scale * codes)

    def _fit(self, values):
        """Returns the scales and the integers of the values."""
        ops = keras.ops
        magnitude = ops.abs(values)
        magnitude = ops.where(magnitude <= NEGLIGIBLE, 0.0, magnitude)
        delta = self.threshold * ops.mean(magnitude, axis=0)
        # NaN is not below it either, and is kept, so that divergence stays visible.
        kept = ops.logical_not(magnitude <= delta)
        total = ops.sum(ops.where(kept, magnitude, 0.0), axis=0)
        number = ops.sum(ops.cast(kept, values.dtype), axis=0)
        scale = ops.where(total <= 0, 1.0, total / ops.maximum(number, 1.0))
        # Infinite weights are not above their (infinite) mean.
        scale = ops.where(ops.isfinite(delta), scale, float("nan"))
        return scale, ops.where(kept, ops.sign(values), 0.0)

    def arguments(self):
        return {**super().arguments(), "threshold": self.threshold}
