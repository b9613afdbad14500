"""DoReFa weights: integers of a hyperbolic tangent."""

import keras

from kerasopt.quantization.formats import NEGLIGIBLE
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer


@WEIGHT_QUANTIZERS.register("dorefa")
class DoReFaWeight(WeightQuantizer):
    """DoReFa: integers that span `tanh(w)` (alias `"dorefa"`).

        t = tanh(w) / max|tanh(w)|
        y = rint(t * maximum) / maximum

    so every channel has the range -1 to 1, with coarser steps for large
    weights. Since this changes the scale, a layer should be followed by a batch
    normalization. The paper uses one maximum per layer and 2^bits levels
    without zero; here the levels are those of the format, so zeros stay zero.
    The gradient passes through the rounding, but not through the maximum:
    `(1 - tanh(w)^2) / max|tanh(w)|`.

    ```python
    ko.callbacks.QuantizationAware("int4", weight_quantizer="dorefa")
    ```

    Args:
        axis: As in `WeightQuantizer`.
        format: A symmetric `Format` of 2 bits or more. Defaults to 8 bits.

    Reference:
        Zhou et al., "DoReFa-Net: Training Low Bitwidth Convolutional Neural
        Networks with Low Bitwidth Gradients" (2016,
        https://arxiv.org/abs/1606.06160), equation 9.
    """

    is_symmetric = True

    def affine(self, values):
        scale = keras.ops.full_like(values[0], self.format.step)
        return scale, keras.ops.zeros_like(scale)

    def rounded(self, values):
        ops = keras.ops
        squeezed = ops.tanh(values)
        largest = ops.max(ops.abs(squeezed), axis=0)
        squeezed = squeezed / ops.stop_gradient(ops.where(largest <= NEGLIGIBLE, 1.0, largest))
        return self.round(squeezed, *self.affine(values))
