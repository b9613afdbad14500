"""Ranges of all that was seen."""

import keras

from kerasopt import ops
from kerasopt.quantization.observers.observer import Observer


@keras.saving.register_keras_serializable(package="kerasopt")
class MinMax(Observer):
    """The smallest and the largest value of all batches (alias `"minmax"`).

    Nothing is clamped that was seen, and one outlier stretches the range for
    good. Zero is part of every range.
    """

    def update(self, inputs):
        low, high = ops.min_max(inputs)
        self.minimum.assign(keras.ops.minimum(self.minimum, low))
        self.maximum.assign(keras.ops.maximum(self.maximum, high))
        return self.minimum, self.maximum
