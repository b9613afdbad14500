"""Ranges that are known in advance."""

from kerasopt.quantization.observers.observer import OBSERVERS, Observer


@OBSERVERS.register()
class KnownRange(Observer):
    """The known range of a function, with a power of two as the scale.

    With `n` bits the upper end is `high - (high - low) / 2 ** n`, so that the
    scale is exactly `(high - low) / 2 ** n`: 1/256 for the 8 bits of a softmax.
    Runtimes expect these scales of softmax, sigmoid and tanh.

    Args:
        low: Float, the smallest value of the function.
        high: Float, the least upper bound of the function.
    """

    def __init__(self, low=0.0, high=1.0, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.low, self.high = float(low), float(high)

    def build(self, input_shape=None):
        super().build(input_shape)
        self.minimum.assign(self.low)
        self.maximum.assign(self._end(1 / 256))

    def watch(self, inputs):
        return *self.range, True

    def settle(self, format):
        # Half of the symmetric integers are negative.
        levels = format.maximum + 1 if format.symmetric else format.maximum - format.minimum + 1
        self.maximum.assign(self._end(1 / levels))

    def arguments(self):
        return {"low": self.low, "high": self.high}

    def _end(self, step):
        return self.high - (self.high - self.low) * step
