"""Fake quantization: values rounded to an integer grid, gradients passed straight through."""

import keras
import numpy as np

from kerasopt import ops
from kerasopt.parametrization import Parametrization
from kerasopt.quantization.formats import Format
from kerasopt.quantization.observers import MovingAverage


class Quantizer(Parametrization):
    """Base of the links that round a tensor to the integers of a format.

        q = clamp(rint(x / scale) + zero_point)
        y = (q - zero_point) * scale

    The gradient of y with respect to x is 1 where q was not clamped, else 0:
    the straight-through estimator (Bengio et al. 2013,
    https://arxiv.org/abs/1308.3432). Rounding is to the nearest, ties to even.

    Args:
        format: A `Format`.
        enabled: Boolean, whether it rounds from the beginning.

    Attributes:
        enabled: Boolean variable. A quantizer that is not enabled returns its
            input, and observes it.
    """

    order = 30
    symmetric: bool

    def __init__(self, format=None, enabled=True, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if isinstance(format, dict):
            format = keras.saving.deserialize_keras_object(format)
        self.format = Format(8, self.symmetric) if format is None else format
        if not isinstance(self.format, Format) or self.format.symmetric != self.symmetric:
            raise ValueError(
                f"`format` of a {type(self).__name__} must be a `Format` with "
                f"symmetric={self.symmetric}. Received: format={format!r}"
            )
        self.initially_enabled = enabled

    @property
    def bits(self) -> int:
        return self.format.bits

    def build(self, input_shape):
        self.enabled = self.add_weight(
            dtype="bool",
            initializer="ones" if self.initially_enabled else "zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="enabled",
        )
        self.built = True

    def round(self, inputs, scale, zero_point):
        return ops.fake_quantize(
            inputs, scale, zero_point, qmin=self.format.minimum, qmax=self.format.maximum
        )

    def get_config(self):
        return {
            **super().get_config(),
            "format": keras.saving.serialize_keras_object(self.format),
            "enabled": self.initially_enabled,
        }


@keras.saving.register_keras_serializable(package="kerasopt")
class WeightQuantizer(Quantizer):
    """Symmetric integers with one scale per channel, the largest magnitude in it.

        scale = max|w| / maximum,  zero_point = 0

    The scale follows the weight in every step and is no state; a channel of
    zeros has scale 1. Zeros stay zero.

    Args:
        axis: Integer or tuple of integers, the channel axes of the weight: all
            others share a scale. `None` for one scale in all.
        format: A symmetric `Format`. Defaults to 8 bits.
        enabled: Boolean, whether it rounds from the beginning.

    Reference:
        Jacob et al. (2018, https://arxiv.org/abs/1712.05877).
    """

    symmetric = True

    def __init__(self, axis=-1, format=None, enabled=True, name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        self.axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis

    def build(self, input_shape):
        super().build(input_shape)
        rank = len(input_shape)
        channels = () if self.axis is None else np.atleast_1d(self.axis)
        self._channels = tuple(sorted(int(axis) % rank for axis in channels))
        self._others = tuple(axis for axis in range(rank) if axis not in self._channels)

    def scale(self, weight):
        """Returns the float32 scales of `weight`, of its rank, 1 long on shared axes."""
        largest = keras.ops.max(keras.ops.abs(weight), axis=self._others, keepdims=True)
        return keras.ops.where(largest > 0, largest * self.format.step, 1.0)

    def call(self, inputs):
        scale = keras.ops.stop_gradient(self.scale(inputs))
        # The operation takes channels last and flat.
        order = (*self._others, *self._channels)
        arranged = keras.ops.transpose(inputs, order)
        flat = keras.ops.reshape(arranged, (-1, int(np.prod(scale.shape))))
        rounded = self.round(flat, keras.ops.reshape(scale, (-1,)), 0.0)
        rounded = keras.ops.reshape(rounded, arranged.shape)
        rounded = keras.ops.transpose(rounded, tuple(int(axis) for axis in np.argsort(order)))
        return keras.ops.where(self.enabled.value, rounded, inputs)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(package="kerasopt")
class ActivationQuantizer(Quantizer):
    """Asymmetric integers with one scale, from the range that an observer saw.

        scale = (max(maximum, 0) - min(minimum, 0)) / (2^bits - 1)
        zero_point = clamp(rint(lowest integer - min(minimum, 0) / scale))

    so that zero is one of the values. In training the observer follows the
    batches, until the range is frozen.

    Args:
        format: An asymmetric `Format`. Defaults to 8 bits.
        enabled: Boolean, whether it rounds from the beginning.
        observer: A layer with `update(inputs)`, `minimum` and `maximum`.
            Defaults to `MovingAverage()`.

    Attributes:
        frozen: Boolean, whether training leaves the range alone. It is part of
            the traced step: renew the functions of the model after a change.

    Reference:
        Jacob et al. (2018, https://arxiv.org/abs/1712.05877), section 3.
    """

    symmetric = False

    def __init__(self, format=None, enabled=True, observer=None, name=None, **kwargs):
        super().__init__(format, enabled, name, **kwargs)
        if isinstance(observer, dict):
            observer = keras.saving.deserialize_keras_object(observer)
        self.observer = MovingAverage() if observer is None else observer
        self.frozen = False

    def build(self, input_shape):
        super().build(input_shape)
        if not self.observer.built:
            self.observer.build()

    def affine(self, minimum, maximum):
        """Returns the float32 scale and zero point (a whole number) of a range."""
        low, high = keras.ops.minimum(minimum, 0.0), keras.ops.maximum(maximum, 0.0)
        scale = keras.ops.where(high > low, (high - low) * self.format.step, 1.0)
        zero_point = keras.ops.round(self.format.minimum - low / scale)
        return scale, keras.ops.clip(zero_point, self.format.minimum, self.format.maximum)

    @property
    def scale(self) -> np.float32:
        """The present scale."""
        return np.float32(self.affine(self.observer.minimum, self.observer.maximum)[0])

    @property
    def zero_point(self) -> int:
        """The present zero point."""
        return int(self.affine(self.observer.minimum, self.observer.maximum)[1])

    @property
    def has_range(self) -> bool:
        """Whether the observer has seen more than one value."""
        return bool(self.observer.maximum > self.observer.minimum)

    def call(self, inputs, training=None):
        observer = self.observer
        if training and not self.frozen:
            minimum, maximum = observer.update(inputs)
        else:
            minimum, maximum = observer.minimum, observer.maximum
        scale, zero_point = self.affine(minimum, maximum)
        # Without a range there is nothing to round to: its scale of 1 would leave whole numbers.
        seen = keras.ops.logical_or(minimum < 0.0, maximum > 0.0)
        enabled = keras.ops.logical_and(self.enabled.value, seen)
        # A scale of 0 costs no pass over the activations.
        return self.round(inputs, keras.ops.where(enabled, scale, 0.0), zero_point)

    def get_config(self):
        return {
            **super().get_config(),
            "observer": keras.saving.serialize_keras_object(self.observer),
        }
