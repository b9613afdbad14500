"""Ranges of all observed values."""

import keras

from kerasopt.quantization.observers.observer import OBSERVERS, Observer


@OBSERVERS.register("minmax")
class MinMax(Observer):
    """The smallest and the largest value of all batches (alias `"minmax"`).

    No observed value is clamped, but a single outlier widens the range
    permanently. Every range includes zero.

    ```python
    ko.quantize(model, "int8", x, observer="minmax")
    ```
    """

    def follow(self, inputs, low, high):
        ops = keras.ops
        return [
            (self.minimum, ops.minimum(ops.convert_to_tensor(self.minimum), low)),
            (self.maximum, ops.maximum(ops.convert_to_tensor(self.maximum), high)),
        ]
