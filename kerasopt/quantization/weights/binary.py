"""Binary weights."""

import keras

from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import NEGLIGIBLE, Format
from kerasopt.quantization.sign import SURROGATES, check_gradient
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer


@WEIGHT_QUANTIZERS.register("binary")
class BinaryWeight(WeightQuantizer):
    """Binary weights: the sign times the mean magnitude of the channel (alias `"binary"`).

        y = scale * sign(w),  scale = mean|w|

    over the nonzero weights of the channel (Rastegari et al. 2016, equation 6);
    without scaling the scale is 1 (Courbariaux et al. 2016). A weight that is
    exactly zero, as under a mask, stays zero; since bits cannot represent zero,
    files keep the mask as well. The gradient passes through the scale
    unchanged, and through the sign as if it were

        clip(w, -1, 1): 1 where |w| <= 1, else 0              "clipped"
        2w - w|w| up to |w| = 1: 2 - 2|w| there, else 0       "approximate"

    ```python
    quantizer = ko.quantization.BinaryWeight(gradient="approximate")
    ko.callbacks.QuantizationAware("binary_int8", weight_quantizer=quantizer)
    ```

    Args:
        axis: As in `WeightQuantizer`.
        format: A binary `Format`, of 1 bit.
        gradient: `"clipped"` (Courbariaux et al. 2016) or `"approximate"` (Liu
            et al. 2018).
        scaled: Boolean, whether to use the scale.

    References:
        - Courbariaux et al., "Binarized Neural Networks" (2016,
          https://arxiv.org/abs/1602.02830).
        - Rastegari et al., "XNOR-Net" (2016, https://arxiv.org/abs/1603.05279).
        - Liu et al., "Bi-Real Net" (2018, https://arxiv.org/abs/1808.00278).
    """

    default_format = Format(1, symmetric=True)

    def __init__(self, axis=-1, format=None, gradient="clipped", scaled=True, **kwargs):
        super().__init__(axis, format, **kwargs)
        check_gradient(gradient)
        self.gradient = gradient
        self.scaled = scaled

    def check_format(self):
        if self.format != self.default_format:
            self.refuse("-1 and 1, a binary `Format` (1 bit)")

    def affine(self, values):
        ops = keras.ops
        magnitude = ops.abs(_without_dust(values))
        total = ops.sum(magnitude, axis=0)
        kept = ops.sum(ops.cast(magnitude > 0, values.dtype), axis=0)
        mean = total / ops.maximum(kept, 1.0)
        scale = ops.where(mean <= 0, 1.0, mean) if self.scaled else ops.ones_like(mean)
        return scale, ops.zeros_like(scale)

    def rounded(self, values):
        scale, _ = self.affine(values)
        signs = keras.ops.sign(_without_dust(values))
        return scale * with_gradient_of(SURROGATES[self.gradient](values), signs)

    def arguments(self):
        return {**super().arguments(), "gradient": self.gradient, "scaled": self.scaled}


def _without_dust(values):
    """Returns weights with negligible ones set to zero."""
    return keras.ops.where(keras.ops.abs(values) <= NEGLIGIBLE, 0.0, values)
