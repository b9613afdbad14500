"""Observers: which range of values a tensor has."""

import keras

from kerasopt import ops
from kerasopt.parametrization import OptionalState


@keras.saving.register_keras_serializable(package="kerasopt")
class MovingAverage(OptionalState):
    """Follows the smallest and the largest value of the batches of training.

    After the first batch, whose extremes are taken as they are,

        minimum <- momentum * minimum + (1 - momentum) * min(x)

    and likewise the maximum. Both are variables, averaged over replicas.

    Args:
        momentum: Float in [0, 1), the weight of the past.

    Attributes:
        minimum: Float32 scalar variable.
        maximum: Float32 scalar variable.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference" (2018,
        https://arxiv.org/abs/1712.05877), section 3.1.
    """

    def __init__(self, momentum: float = 0.99, name=None, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(name=name, dtype="float32", **kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: momentum={momentum}")
        self.momentum = momentum

    def build(self, input_shape=None):
        self.minimum, self.maximum = (
            self.add_weight(
                initializer="zeros", trainable=False, autocast=False, aggregation="mean", name=name
            )
            for name in ("minimum", "maximum")
        )
        self.built = True

    def update(self, inputs):
        """Takes a batch into account; returns the new minimum and maximum."""
        low, high = ops.min_max(inputs)
        is_first = keras.ops.equal(self.maximum - self.minimum, 0.0)
        momentum = keras.ops.where(is_first, 0.0, self.momentum)
        for variable, value in ((self.minimum, low), (self.maximum, high)):
            variable.assign(momentum * variable + (1.0 - momentum) * value)
        return self.minimum, self.maximum

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}
