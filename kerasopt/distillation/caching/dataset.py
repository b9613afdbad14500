"""The data of a training with a cached teacher."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasopt.distillation.caching import checksums
from kerasopt.distillation.caching.sources import as_arrays, unpacked
from kerasopt.training.indexed_dataset import IndexedDataset

if TYPE_CHECKING:
    from kerasopt.distillation.caching.cached_teacher import CachedTeacher

TEACHER = "kerasopt_teacher"
"""The key of what a teacher gives, in the third element of batches."""

Batch = dict[str, Any]
Weigh = Callable[[Batch], Any]


class CachedDataset(keras.utils.PyDataset):
    """Batches `(x, y, {"sample_weight": weights, "kerasopt_teacher": outputs})`.

    On JAX they are `(x, y, weights)` until a callback attends to the teacher: `fit` computes the
    loss of the first batch before there are callbacks.

    Args:
        teacher: The `CachedTeacher`.
        weigh: Function from a batch to the weights of its samples, or `None`.
        **kwargs: As in `keras.utils.PyDataset`.
    """

    def __init__(self, teacher: CachedTeacher, weigh: Weigh, **kwargs: Any):
        super().__init__(**kwargs)
        self.teacher, self._weigh = teacher, weigh

    def set_epoch(self, epoch: int):
        """Sets the next epoch."""

    def _with_teacher(self, batch: Batch, samples: Any, view: int = 0) -> tuple:
        x, y, weights = batch["x"], batch.get("y"), self._weigh(batch)
        if keras.config.backend() == "jax" and not self.teacher.attending:
            return (x, y) if weights is None else (x, y, weights)
        if weights is None:
            weights = np.ones(len(keras.tree.flatten(x)[0]), "float32")
        third = {"sample_weight": weights, TEACHER: self.teacher.read(samples, view)}
        return x, () if y is None else y, third  # `tf.data` takes no `None`


class SampledDataset(CachedDataset):
    """Batches of samples in any order, also of inputs that the cache replays.

    Epoch `e` uses view `e % views`.

    Args:
        teacher: The `CachedTeacher`.
        weigh: As in `CachedDataset`.
        data: The `IndexedDataset` of what is not replayed.
    """

    def __init__(self, teacher: CachedTeacher, weigh: Weigh, data: IndexedDataset):
        super().__init__(teacher, weigh)
        self.data = data

    def set_epoch(self, epoch: int):
        self.data.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple:
        epoch = self.data.epoch  # read once: `fit` may ask from another thread
        samples = self.data.indices(index, epoch)
        view = epoch % self.teacher.views
        batch = {**self.data.named(samples), **self.teacher.replayed(samples, view)}
        return self._with_teacher(batch, samples, view)

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


class AccompaniedDataset(CachedDataset):
    """The batches of a dataset that has a fixed order, each checked as it comes.

    Those of a `tf.data.Dataset` come one after the other, whatever index is asked for: an epoch has
    all of them once.

    Args:
        teacher: The `CachedTeacher`.
        weigh: As in `CachedDataset`.
        data: The `keras.utils.PyDataset` or `tf.data.Dataset`.
        begins: The index of the first sample of each batch, and the number of samples.
    """

    def __init__(self, teacher: CachedTeacher, weigh: Weigh, data: Any, begins: np.ndarray):
        names = ("workers", "use_multiprocessing", "max_queue_size")
        is_indexed = isinstance(data, keras.utils.PyDataset)
        options = {name: getattr(data, name) for name in names} if is_indexed else {}
        super().__init__(teacher, weigh, **options)
        self.data, self._is_indexed, self._begins = data, is_indexed, begins
        self._iterator: Iterator[tuple[int, Any]] = iter(())
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __getitem__(self, index: int) -> tuple:
        index, batch = (index, self.data[index]) if self._is_indexed else self._next()
        batch = unpacked(batch)
        samples = slice(self._begins[index], self._begins[index + 1])
        require_same(as_arrays(batch), self.teacher.checksums(samples), index)
        return self._with_teacher(batch, samples)

    def on_epoch_begin(self):
        if self._is_indexed:
            self.data.on_epoch_begin()
        self._iterator = iter(())

    def on_epoch_end(self):
        if self._is_indexed:
            self.data.on_epoch_end()

    def _next(self) -> tuple[int, Any]:
        with self._lock:
            item = next(self._iterator, None)
            if item is None:
                self._iterator = enumerate(iter(self.data))
                item = next(self._iterator)
            return item


def require_same(batch: Batch, expected: np.ndarray, index: int) -> None:
    """Raises `ValueError` if a batch is not the one that the teacher has seen."""
    found = checksums.of_ends(batch["x"])
    if not np.array_equal(found, expected):
        what = "other samples" if len(found) == len(expected) else f"{len(found)} samples"
        raise ValueError(
            "The dataset gives other batches than the cache was made of. If it shuffles, let it do "
            "so once, before the cache is made, with a fixed seed; if it augments, make the cache "
            f"with `views`, which replays them. Received: batch {index} with {what}"
        )
