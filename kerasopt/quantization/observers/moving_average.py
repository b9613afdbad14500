"""Ranges that are moving averages over the batches."""

import keras

from kerasopt.quantization.observers.observer import OBSERVERS, Observer


@OBSERVERS.register("moving_average")
class MovingAverage(Observer):
    """Moving averages of the smallest and the largest value (alias `"moving_average"`).

    The first batch sets the range; after it,

        minimum <- momentum * minimum + (1 - momentum) * min(x)

    and likewise the maximum. As long as a tensor is constant, for example with zero-initialized
    weights, the next batch still counts as the first.

    ```python
    ko.callbacks.QuantizationAware("int8", observer=ko.quantization.MovingAverage(0.9))
    ```

    Args:
        momentum: Float in [0, 1), the weight of previous batches.

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
