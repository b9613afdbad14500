"""The values of a weight that share a scale."""

import math

import keras
import numpy as np


class Channels:
    """A weight as a matrix, with one column for each set of values that share a scale.

    ```python
    channels = Channels((3, 3, 16, 32), axes=(3,))
    channels.split(np.zeros((3, 3, 16, 32))).shape  # (144, 32)
    channels = Channels((64, 10), axes=(1,), group=(0, 32))
    channels.split(np.zeros((64, 10))).shape  # (32, 20): two groups in each of the 10 channels
    ```

    Args:
        shape: Tuple of integers, the shape of the weight.
        axes: Tuple of axes along which every index has its own scale.
        group: Pair of another axis and a group size that divides its length: neighbours in a group
            share a scale. `None`: no groups.
    """

    def __init__(self, shape, axes, group=None):
        axes = {int(axis) % len(shape) for axis in axes}
        self.shape = tuple(shape)
        # The view has one more axis: that of the groups, before the one within a group.
        view, channels = [], []
        for axis, length in enumerate(self.shape):
            if group is not None and axis == group[0] % len(shape):
                channels.append(len(view))
                view += [length // group[1], group[1]]
            else:
                channels += [len(view)] if axis in axes else []
                view.append(length)
        shared = [axis for axis in range(len(view)) if axis not in channels]
        self._view, self._order = tuple(view), (*shared, *channels)
        self._arranged = tuple(view[axis] for axis in self._order)
        self._scales = tuple(1 if axis in shared else size for axis, size in enumerate(view))

    @property
    def count(self) -> int:
        """The number of scales."""
        return math.prod(self._scales)

    def split(self, weight):
        """Reshapes a tensor of the weight's shape to (values per scale, scales)."""
        view = weight if self._view == self.shape else keras.ops.reshape(weight, self._view)
        if self._order != tuple(range(len(self._order))):
            view = keras.ops.transpose(view, self._order)
        return keras.ops.reshape(view, (-1, self.count))

    def merge(self, matrix):
        """Reshapes a matrix to the weight's shape: the inverse of `split`."""
        view = keras.ops.reshape(matrix, self._arranged)
        if self._order != tuple(range(len(self._order))):
            view = keras.ops.transpose(view, tuple(int(axis) for axis in np.argsort(self._order)))
        return view if self._view == self.shape else keras.ops.reshape(view, self.shape)

    def spread(self, scales):
        """Reshapes scales, a tensor (count,), to a shape that broadcasts to the weight's."""
        if self._view == self.shape:
            return keras.ops.reshape(scales, self._scales)
        rows = math.prod(self.shape) // self.count
        return self.merge(keras.ops.broadcast_to(scales, (rows, self.count)))
