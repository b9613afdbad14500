"""Binary activations."""

import keras

from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS, Quantizer
from kerasopt.quantization.sign import SURROGATES, check_gradient


@ACTIVATION_QUANTIZERS.register("binary")
class BinaryActivation(Quantizer):
    """Binary activations: the sign, with 1 for zero (alias `"binary"`).

        y = 1 where x >= 0, else -1

    with a surrogate gradient, as in `BinaryWeight`. After a ReLU all values are
    1: use a batch normalization instead of the ReLU.

    ```python
    ko.layers.Dense(10, input_quantizer="binary", weight_quantizer="binary")
    ```

    Args:
        format: A binary `Format`, of 1 bit.
        gradient: `"clipped"` or `"approximate"`.
        enabled: Boolean, whether it rounds from the start.

    References:
        - Courbariaux et al., "Binarized Neural Networks" (2016,
          https://arxiv.org/abs/1602.02830).
        - Liu et al., "Bi-Real Net" (2018, https://arxiv.org/abs/1808.00278).
    """

    default_format = Format(1, symmetric=True)

    def __init__(self, format=None, gradient="clipped", enabled=True, name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        check_gradient(gradient)
        self.gradient = gradient

    def check_format(self):
        if self.format != self.default_format:
            self.refuse("-1 and 1, a binary `Format` (1 bit)")

    def call(self, inputs):
        # NaN is kept, so that divergence stays visible.
        signs = keras.ops.where(inputs >= 0, 1.0, keras.ops.where(inputs < 0, -1.0, inputs))
        rounded = with_gradient_of(SURROGATES[self.gradient](inputs), signs)
        return keras.ops.where(self.enabled.value, rounded, inputs)

    def arguments(self):
        return {**super().arguments(), "gradient": self.gradient}
