"""Ranges from how often values were seen."""

import abc

import keras
import numpy as np

from kerasopt import ops
from kerasopt.quantization.observers.observer import Observer

BINS = 2048
# Of a batch, as many values are counted: more would cost more than the model itself.
_SAMPLE = 1 << 16


class Histogram(Observer, abc.ABC):
    """Counts values in bins, and finds the range once, from the counts.

    The 2048 bins span -limit to limit. If a batch goes beyond, the limit is
    doubled as often as needed, and neighbouring bins become one. The extremes
    are those of all values; of each batch, some 65,000, evenly spaced, are
    counted.

    A subclass implements `find`.

    Attributes:
        counts: Float32 variable of shape (2048,).
        lowest: Float32 scalar variable, the smallest value of all.
        highest: Float32 scalar variable, the largest.
        limit: Float32 scalar variable, 0 until something was seen.
    """

    settles = True

    def build(self, input_shape=None):
        super().build(input_shape)
        self.counts = self.add_state("counts", (BINS,))
        self.limit = self.add_state("limit")
        self.lowest = self.add_state("lowest")
        self.highest = self.add_state("highest")

    def update(self, inputs):
        low, high = ops.min_max(inputs)
        self._count(inputs, keras.ops.maximum(-low, high))
        low, high = keras.ops.minimum(self.lowest, low), keras.ops.maximum(self.highest, high)
        self.lowest.assign(low)
        self.highest.assign(high)
        # Until the range is found, it is that of all values.
        self.minimum.assign(low)
        self.maximum.assign(high)
        return self.minimum, self.maximum

    def _count(self, inputs, largest):
        kops = keras.ops
        limit = kops.where(self.limit > 0, self.limit, largest)
        limit = kops.where(limit > 0, limit, 1.0)  # nothing but zeros so far
        doublings = kops.ceil(kops.log2(kops.maximum(largest / limit, 1.0)))
        grown = kops.power(2.0, doublings)
        centers = kops.convert_to_tensor(_centers(1.0), "float32")
        counts = kops.segment_sum(
            kops.convert_to_tensor(self.counts), _bins(centers / grown), num_segments=BINS
        )
        limit = limit * grown
        flat = kops.reshape(kops.stop_gradient(inputs), (-1,))
        # TensorFlow forgets the rank of what has a step that it does not know.
        sample = kops.reshape(flat[:: kops.shape(flat)[0] // _SAMPLE + 1], (-1,))
        places = _bins(sample / limit)
        new = kops.segment_sum(kops.ones_like(sample), places, num_segments=BINS)
        self.counts.assign(counts + new)
        # A batch of zeros says nothing about the limit.
        self.limit.assign(kops.where(kops.maximum(self.limit, largest) > 0, limit, 0.0))

    def settle(self, format):
        counts, limit = np.asarray(self.counts, "float64"), float(self.limit)
        extremes = float(self.lowest), float(self.highest)
        if not limit or not counts.any() or not np.isfinite(extremes).all():
            return  # whoever asks for the range sees that there is none
        low, high = self.find(counts, _centers(limit), format)
        self.minimum.assign(max(low, extremes[0]))
        self.maximum.assign(min(high, extremes[1]))

    @abc.abstractmethod
    def find(self, counts, centers, format) -> tuple[float, float]:
        """Returns the lower and the upper end of the range.

        Args:
            counts: float64 array of shape (2048,).
            centers: float64 array, the values at the middles of the bins.
            format: The `Format` that is to span the range.
        """


def _bins(values):
    """Returns the bins of values that the limit has divided."""
    places = keras.ops.floor((values + 1.0) * (BINS / 2))
    return keras.ops.cast(keras.ops.clip(places, 0, BINS - 1), "int32")


def _centers(limit):
    return (np.arange(BINS) + 0.5) / BINS * 2 * limit - limit
