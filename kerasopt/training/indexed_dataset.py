"""Datasets whose batches are known by the indices of their samples."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import keras
import numpy as np


class IndexedDataset(keras.utils.PyDataset):
    """Batches of samples; which, is a pure function of the seed, the epoch and the index.

    So batches are correct whether `fit` shuffles their indices, prefetches or resumes. What wraps
    such a dataset asks for the indices of a batch's samples, and adds to them what it has.

    Args:
        x: Inputs: an array of `n` samples, a dict, tuple or list of arrays for several, or `None`.
        y: Targets, likewise, or `None`.
        sample_weight: Sample weights, in a shape that Keras accepts, or `None`.
        samples: `n`.
        batch_size: Samples in a batch, an integer from 1 to `n`. The last batch may be smaller.
        seed: Integer that determines all draws.
        shuffle: Whether an epoch is a permutation of all samples.

    Raises:
        ValueError: If lengths differ, or an argument is out of range.
    """

    wanted = "`x`, `y` and `sample_weight`"
    """What must have one entry for each sample, for messages."""

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        samples: int,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
    ):
        super().__init__()
        arrays = {"x": x, "y": y, "sample_weight": sample_weight}
        self._arrays = {
            name: keras.tree.map_structure(np.asarray, value)
            for name, value in arrays.items()
            if value is not None
        }
        self.samples = samples
        self._check_lengths()
        check_integer("batch_size", batch_size, 1, samples)
        check_integer("seed", seed, 0, math.inf)
        self.batch_size = int(batch_size)
        self.seed = int(seed)
        self.shuffle = shuffle
        self.epoch = 0
        """The epoch that the next batch belongs to."""
        self.passes = 0
        """The number of iterations over the dataset that have begun."""
        self._order: tuple[int, np.ndarray] = (-1, np.arange(samples))

    def set_epoch(self, epoch: int):
        """Sets the next epoch; called by callbacks."""
        self.epoch = epoch

    def indices(self, index: int, epoch: int) -> np.ndarray:
        """Returns the indices of the samples in batch `index` of an epoch."""
        return self._slots(index, epoch)

    def named(self, indices: np.ndarray) -> dict[str, Any]:
        """Returns what there is of the samples with these indices: x, y and weights, by name."""
        one = operator.itemgetter(indices)
        return {name: keras.tree.map_structure(one, each) for name, each in self._arrays.items()}

    @property
    def x(self) -> Any:
        """All inputs."""
        return self._arrays.get("x")

    def __len__(self) -> int:
        return math.ceil(self.samples / self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        return tuple(self.named(self.indices(index, self.epoch)).values())

    def on_epoch_begin(self):
        self.passes += 1

    def on_epoch_end(self):
        self.epoch += 1

    def _slots(self, index: int, epoch: int) -> np.ndarray:
        """Returns a batch's part of a permutation of all samples."""
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in [0, {len(self)}). Received: index={index}")
        known, order = self._order  # read once: `fit` may ask from another thread
        if known != epoch and self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.samples)
            self._order = (epoch, order)
        return order[index * self.batch_size : (index + 1) * self.batch_size]

    def _check_lengths(self):
        for name, value in self._arrays.items():
            for array in keras.tree.flatten(value):
                if array.ndim == 0 or len(array) != self.samples:
                    raise ValueError(
                        f"{self.wanted} must have one entry for each sample. Received: {name} of "
                        f"shape {array.shape}, {self.samples} samples"
                    )


def check_integer(name: str, value: Any, lowest: int, highest: float):
    """Raises `ValueError` if an argument is not an integer in a range."""
    integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not integer or not lowest <= value <= highest:
        raise ValueError(
            f"`{name}` must be an integer from {lowest} to {highest}. Received: {name}={value!r}"
        )
