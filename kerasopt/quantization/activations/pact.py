"""Activations with a learned upper limit."""

import keras

from kerasopt.parametrization import with_gradient_of
from kerasopt.quantization.activations.activation_quantizer import ActivationQuantizer
from kerasopt.quantization.formats import NEGLIGIBLE
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS


@ACTIVATION_QUANTIZERS.register("pact")
class PACT(ActivationQuantizer):
    """PACT: integers that span 0 to a learned limit (alias `"pact"`).

        y = rint(clip(x, 0, limit) / step) * step,  step = limit / (2^bits - 1)

    The gradient with respect to x is 1 for x from 0 to below the limit,
    otherwise 0; with respect to the limit it is 1 where x is not below it,
    otherwise 0. It replaces a ReLU: negative values become 0. The limit is
    initialized with the largest observed value when the quantizer is enabled.

    ```python
    ko.callbacks.QuantizationAware("int4", begin="10%", activation_quantizer="pact")
    ```

    Args:
        format: An asymmetric `Format` of 2 bits or more. Defaults to 8 bits.
        observer: As in `ActivationQuantizer`.
        decay: Non-negative float: `decay * limit^2` is added to the loss of the
            model, as in the paper.

    Attributes:
        limit: Trainable float32 scalar variable.

    Reference:
        Choi et al., "PACT: Parameterized Clipping Activation for Quantized Neural
        Networks" (2018, https://arxiv.org/abs/1805.06085), equations 1 to 3.
    """

    is_symmetric = False

    settles = True

    def __init__(self, format=None, enabled=True, observer="moving_average", decay=0.0, **kwargs):
        super().__init__(format, enabled, observer, **kwargs)
        if not decay >= 0:
            raise ValueError(f"`decay` must be 0 or more. Received: decay={decay!r}")
        self.decay = decay

    def build(self, input_shape):
        super().build(input_shape)
        regularizer = keras.regularizers.L2(self.decay) if self.decay else None
        self.limit = self.add_weight(
            initializer="ones", autocast=False, regularizer=regularizer, name="limit"
        )

    @property
    def learned(self):
        return [self.limit]

    def settle(self, value=None):
        super().settle()
        largest = keras.ops.convert_to_tensor(self.observer.maximum)
        self.limit.assign(keras.ops.where(largest > NEGLIGIBLE, largest, 1.0))

    def change_width(self, format, value=None):
        self.format = format  # the limit is learned, and has as many steps as there are

    def affine(self):
        return self.format.affine(0.0, keras.ops.maximum(self.limit, 0.0))

    def call(self, inputs, training=None):
        ops = keras.ops
        *_, enabled = self.observe(inputs, training)
        limit = ops.convert_to_tensor(self.limit)
        # The optimizer may move it below zero, and it must be able to return.
        limit = with_gradient_of(limit, ops.maximum(limit, 0.0))
        # Where it clips, the gradient goes to the limit. NaN, for which all comparisons are false,
        # stays.
        clipped = ops.where(inputs >= limit, limit, ops.where(inputs < 0.0, 0.0, inputs))
        scale, zero_point = (ops.stop_gradient(each) for each in self.affine())
        rounded = with_gradient_of(clipped, self.round(clipped, scale, zero_point))
        return ops.where(enabled, rounded, inputs)

    def arguments(self):
        return {**super().arguments(), "decay": self.decay}
