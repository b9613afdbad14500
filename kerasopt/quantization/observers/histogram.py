"""Ranges from histograms of the observed values."""

import abc

import keras
import numpy as np

from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.observers.observer import Observer

BINS = 2048
# The number of values counted per batch: more would take longer than the model itself.
_SAMPLE = 1 << 16


class Histogram(Observer, abc.ABC):
    """Base class of observers that count values in a histogram and set the range once.

    The 2048 bins span -limit to limit. If a batch exceeds the limit, it is
    doubled as often as needed, and neighbouring bins are merged. The extremes
    are those of all values; about 65,000 evenly spaced values of each batch are
    counted.

    A subclass implements `find`.

    Attributes:
        counts: Float32 variable of shape (2048,).
        lowest: Float32 scalar variable, the smallest value.
        highest: Float32 scalar variable, the largest value.
        limit: Float32 scalar variable, 0 until a value was observed.
    """

    settles = True

    def build(self, input_shape=None):
        super().build(input_shape)
        self.counts = self.add_state("counts", (BINS,))
        self.limit = self.add_state("limit")
        self.lowest = self.add_state("lowest")
        self.highest = self.add_state("highest")

    def follow(self, inputs, low, high):
        kops = keras.ops
        counted = self._counted(inputs, kops.maximum(-low, high))
        low = kops.minimum(kops.convert_to_tensor(self.lowest), low)
        high = kops.maximum(kops.convert_to_tensor(self.highest), high)
        # Until the range is set, it is that of all values.
        extremes = [(self.lowest, low), (self.highest, high)]
        return [*counted, *extremes, (self.minimum, low), (self.maximum, high)]

    def _counted(self, inputs, largest):
        kops = keras.ops
        before, counts = map(kops.convert_to_tensor, (self.limit, self.counts))
        limit = kops.where(before > 0, before, largest)
        limit = kops.where(limit > 0, limit, 1.0)  # nothing but zeros so far
        doublings = kops.ceil(kops.log2(kops.maximum(largest / limit, 1.0)))
        grown = kops.power(2.0, doublings)
        centers = kops.convert_to_tensor(_centers(1.0), "float32")
        counts = kops.segment_sum(counts, _bins(centers / grown), num_segments=BINS)
        limit = limit * grown
        flat = kops.reshape(kops.stop_gradient(inputs), (-1,))
        # TensorFlow loses the rank of a slice with an unknown step.
        sample = kops.reshape(flat[:: kops.shape(flat)[0] // _SAMPLE + 1], (-1,))
        places = _bins(sample / limit)
        new = kops.segment_sum(kops.ones_like(sample), places, num_segments=BINS)
        # A batch of zeros does not determine the limit.
        limit = kops.where(kops.maximum(before, largest) > 0, limit, 0.0)
        return [(self.counts, counts + new), (self.limit, limit)]

    def settle(self, format):
        counts, limit, *extremes = (
            to_float32(each).astype("float64")
            for each in (self.counts, self.limit, self.lowest, self.highest)
        )
        if not limit or not counts.any():
            return  # whoever asks for the range sees that there is none
        low, high = self.find(counts, _centers(limit), format)
        self.minimum.assign(max(low, extremes[0]))
        self.maximum.assign(min(high, extremes[1]))

    @abc.abstractmethod
    def find(self, counts, centers, format) -> tuple[float, float]:
        """Returns the lower and the upper end of the range.

        Args:
            counts: float64 array of shape (2048,).
            centers: float64 array, the centers of the bins.
            format: The `Format` that will span the range.
        """


def _bins(values):
    """Returns the bins of values, given as fractions of the limit."""
    places = keras.ops.floor((values + 1.0) * (BINS / 2))
    return keras.ops.cast(keras.ops.clip(places, 0, BINS - 1), "int32")


def _centers(limit):
    return (np.arange(BINS) + 0.5) / BINS * 2 * limit - limit
