"""Ranges that follow the batches."""

import keras

from kerasopt.quantization.observers.observer import OBSERVERS, Observer


@OBSERVERS.register("moving_average")
class MovingAverage(Observer):
    """Follows the smallest and the largest value of the batches (alias `"moving_average"`).

    After the first batch, whose extremes are taken as they are,

        minimum <- momentum * minimum + (1 - momentum) * min(x)

    and likewise the maximum. What has been one value up to then is taken as the
    first batch: it may be a layer whose weights begin with zero.

    ```python
    ko.callbacks.QuantizationAware("int8", observer=ko.quantization.MovingAverage(0.9))
    ```

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

    def follow(self, inputs, low, high):
        ops = keras.ops
        minimum, maximum = map(ops.convert_to_tensor, (self.minimum, self.maximum))
        is_first = ops.equal(maximum - minimum, 0.0)
        momentum = ops.where(is_first, 0.0, self.momentum)
        return [
            (self.minimum, momentum * minimum + (1.0 - momentum) * low),
            (self.maximum, momentum * maximum + (1.0 - momentum) * high),
        ]

    def arguments(self):
        return {**super().arguments(), "momentum": self.momentum}
