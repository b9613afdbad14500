"""Ranges that follow the batches."""

import keras

from kerasopt import ops
from kerasopt.quantization.observers.observer import Observer


@keras.saving.register_keras_serializable(package="kerasopt")
class MovingAverage(Observer):
    """Follows the smallest and the largest value of the batches (alias `"moving_average"`).

    After the first batch, whose extremes are taken as they are,

        minimum <- momentum * minimum + (1 - momentum) * min(x)

    and likewise the maximum.

    Args:
        momentum: Float in [0, 1), the weight of the past.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for
        Efficient Integer-Arithmetic-Only Inference" (2018,
        https://arxiv.org/abs/1712.05877), section 3.1.
    """

    def __init__(self, momentum: float = 0.99, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: momentum={momentum}")
        self.momentum = momentum

    def update(self, inputs):
        low, high = ops.min_max(inputs)
        is_first = keras.ops.equal(self.maximum - self.minimum, 0.0)
        momentum = keras.ops.where(is_first, 0.0, self.momentum)
        for variable, value in ((self.minimum, low), (self.maximum, high)):
            variable.assign(momentum * variable + (1.0 - momentum) * value)
        return self.minimum, self.maximum

    def arguments(self):
        return {**super().arguments(), "momentum": self.momentum}
