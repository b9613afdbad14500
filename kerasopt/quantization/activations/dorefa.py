"""Activations between 0 and 1."""

import keras

from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS, Quantizer


@ACTIVATION_QUANTIZERS.register("dorefa")
class DoReFaActivation(Quantizer):
    """Integers that span 0 to 1 (alias `"dorefa"`).

        y = rint((2^bits - 1) * clip(x, 0, 1)) / (2^bits - 1)

    The gradient is 1 for x from 0 to 1, otherwise 0. It replaces an activation
    function: networks are designed for it, with a batch normalization before
    it.

    ```python
    ko.callbacks.QuantizationAware("int4", activation_quantizer="dorefa")
    ```

    Args:
        format: An asymmetric `Format` of 2 bits or more. Defaults to 8 bits.
        enabled: Boolean, whether it rounds from the start.

    Reference:
        Zhou et al., "DoReFa-Net: Training Low Bitwidth Convolutional Neural
        Networks with Low Bitwidth Gradients" (2016,
        https://arxiv.org/abs/1606.06160), equation 11.
    """

    default_format = Format(8)
    is_symmetric = False

    def call(self, inputs):
        scale = keras.ops.where(self.enabled.value, self.format.step, 0.0)
        return self.round(inputs, scale, float(self.format.minimum))
