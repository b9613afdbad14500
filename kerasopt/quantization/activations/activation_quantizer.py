"""Activations within a range that an observer saw."""

import keras
import numpy as np

from kerasopt.quantization import observers
from kerasopt.quantization.formats import Format
from kerasopt.quantization.quantizer import Quantizer


@keras.saving.register_keras_serializable(package="kerasopt")
class ActivationQuantizer(Quantizer):
    """Integers with one scale, from the range that an observer saw (alias `"minmax"`).

    Scale and zero point are those of `Format.affine`, so zero is one of the
    values. In training the observer follows the batches, until the range is
    frozen. The gradient is that of `Quantizer.round`: values outside the range
    get none.

    Args:
        format: A `Format` of 2 bits or more. Defaults to 8 bits, asymmetric.
        enabled: Boolean, whether it rounds from the beginning.
        observer: A `kerasopt.quantization.Observer` or its alias. Defaults to
            `"moving_average"`.

    Attributes:
        settles: Boolean, whether the range is found once, when it is enabled.
        frozen: Boolean, whether training leaves the range alone.
        calibrating: Boolean, whether the observer follows batches outside of
            training, too. Both are part of the traced functions: renew those of
            the model after a change.

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
        """The present scale."""
        return np.float32(self.affine()[0])

    @property
    def zero_point(self) -> int:
        """The present zero point."""
        return int(self.affine()[1])

    @property
    def observed(self) -> tuple[float, float]:
        """The range that the observer has seen."""
        # Not `float` of the variables: what replicas mirror has none.
        observer, to_numpy = self.observer, keras.ops.convert_to_numpy
        return float(to_numpy(observer.minimum)), float(to_numpy(observer.maximum))

    @property
    def has_range(self) -> bool:
        """Whether the observer has seen more than one value."""
        low, high = self.observed
        return high > low

    @property
    def settles(self) -> bool:
        return self.observer.settles

    def settle(self, value=None):
        self.observer.settle(self.format)

    def affine(self):
        """Returns the present scale and zero point, as tensors."""
        return self.format.affine(self.observer.minimum, self.observer.maximum)

    def observe(self, inputs, training):
        """Returns the range, after the observer has seen a batch that it is to see."""
        if (training or self.calibrating) and not self.frozen:
            return self.observer.update(inputs)
        return self.observer.minimum, self.observer.maximum

    def call(self, inputs, training=None):
        minimum, maximum = self.observe(inputs, training)
        scale, zero_point = self.format.affine(minimum, maximum)
        # Without a range there is nothing to round to: its scale of 1 would leave whole numbers.
        seen = keras.ops.logical_or(minimum < 0.0, maximum > 0.0)
        enabled = keras.ops.logical_and(self.enabled.value, seen)
        # A scale of 0 costs no pass over the activations.
        return self.round(inputs, keras.ops.where(enabled, scale, 0.0), zero_point)

    def arguments(self):
        return {**super().arguments(), "observer": self.observer}
