"""Activation quantization with an observed range."""

import keras
import numpy as np

from kerasopt.quantization import observers
from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS, Quantizer


@ACTIVATION_QUANTIZERS.register("minmax")
class ActivationQuantizer(Quantizer):
    """Integers with one scale, from the range of an observer (alias `"minmax"`).

    Scale and zero point are those of `Format.affine`, so zero is represented
    exactly. In training the observer follows the batches until the range is
    frozen. The gradient is that of `Quantizer.round`: 0 for values outside the
    range.

    ```python
    quantizer = ko.quantization.ActivationQuantizer(observer="percentile")
    ko.layers.Dense(10, input_quantizer=quantizer, weight_quantizer="int8")
    ```

    Args:
        format: A `Format` of 2 bits or more. Defaults to 8 bits, asymmetric.
        enabled: Boolean, whether it rounds from the start.
        observer: A `kerasopt.quantization.Observer` or its alias. Defaults to
            `"moving_average"`.

    Attributes:
        settles: Boolean, whether the range is set once, when the quantizer is
            enabled.
        frozen: Boolean, whether the range is constant in training.
        calibrating: Boolean, whether the observer follows batches outside of
            training, too. `frozen` and `calibrating` are part of the traced
            functions: renew those of the model after a change.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference" (2018,
        https://arxiv.org/abs/1712.05877), section 3.
    """

    default_format = Format(8)

    def __init__(self, format=None, enabled=True, observer="moving_average", name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        self.observer = observers.get(observer)
        self.frozen = self.calibrating = False

    def build(self, input_shape):
        super().build(input_shape)
        if not self.observer.built:
            self.observer.build()

    @property
    def scale(self) -> np.float32:
        """The current scale."""
        return np.float32(self.affine()[0])

    @property
    def zero_point(self) -> int:
        """The current zero point."""
        return int(self.affine()[1])

    @property
    def observed(self) -> tuple[float, float]:
        """The observed range; NaN if all batches had non-finite values."""
        observer = self.observer
        if self.left_out and not observer.batches.numbers[0]:
            return np.nan, np.nan
        # Not `float` of the variables: mirrored variables do not support it.
        low, high = map(keras.ops.convert_to_numpy, (observer.minimum, observer.maximum))
        return float(low), float(high)

    @property
    def left_out(self) -> int:
        """The number of batches that the range ignores, because of non-finite values."""
        return self.observer.batches.numbers[1]

    @property
    def has_range(self) -> bool:
        """Whether the observer has seen anything but zero."""
        low, high = self.observed
        return low < 0 or high > 0

    @property
    def is_zero(self) -> bool:
        """Whether the observer has seen finite batches, with zeros only."""
        return self.observed == (0.0, 0.0) and bool(self.observer.batches.numbers[0])

    @property
    def settles(self) -> bool:
        return self.observer.settles

    def settle(self, value=None):
        self.observer.settle(self.format)

    def affine(self):
        """Returns the current scale and zero point, as tensors."""
        return self.format.affine(*self.observer.range)

    def observe(self, inputs, training):
        """Observes a batch; returns the range, and whether rounding is on.

        A training batch with non-finite values passes unchanged: its loss is the same as without
        the quantizer, so loss scaling skips it, and `keras.callbacks.TerminateOnNaN` detects it.
        """
        enabled = self.enabled.value
        if (training or self.calibrating) and not self.frozen:
            *range, is_finite = self.observer.watch(inputs)
            return *range, keras.ops.logical_and(enabled, is_finite)
        return *self.observer.range, enabled

    def call(self, inputs, training=None):
        minimum, maximum, enabled = self.observe(inputs, training)
        scale, zero_point = self.format.affine(minimum, maximum)
        # Without a range, values stay unrounded: a scale of 1 would round to whole numbers.
        enabled = keras.ops.logical_and(enabled, self.observer.has_range)
        # A scale of 0 costs no pass over the activations.
        return self.round(inputs, keras.ops.where(enabled, scale, 0.0), zero_point)

    def arguments(self):
        return {**super().arguments(), "observer": self.observer}
