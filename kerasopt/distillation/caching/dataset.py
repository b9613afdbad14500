"""The data of a training with a cached teacher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasopt.training.indexed_dataset import IndexedDataset

if TYPE_CHECKING:
    from kerasopt.distillation.caching.cached_teacher import CachedTeacher

TEACHER = "kerasopt_teacher"
"""The key of what a teacher gives, in the third element of batches."""


class CachedDataset(keras.utils.PyDataset):
    """Batches `(x, y, {"sample_weight": weights, "kerasopt_teacher": outputs})`.

    Args:
        teacher: The `CachedTeacher`.
        data: The `IndexedDataset` of the samples.
    """

    def __init__(self, teacher: CachedTeacher, data: IndexedDataset):
        super().__init__()
        self.teacher, self.data = teacher, data

    def set_epoch(self, epoch: int):
        """Sets the next epoch."""
        self.data.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple:
        epoch = self.data.epoch
        samples = self.data.indices(index, epoch)
        batch = self.data.take(samples)
        return with_teacher(self.teacher, batch, samples, epoch % self.teacher.views)

    def on_epoch_begin(self):
        self.data.on_epoch_begin()

    def on_epoch_end(self):
        self.data.on_epoch_end()


def with_teacher(teacher: CachedTeacher, batch: tuple, samples: Any, view: int) -> tuple:
    """Returns a batch with what the teacher gives for its samples.

    On JAX it is as it was until a callback attends.
    """
    if keras.config.backend() == "jax" and not teacher.attended:
        return batch
    x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
    if weight is None:
        weight = np.ones(len(keras.tree.flatten(x)[0]), "float32")
    return x, y, {"sample_weight": weight, TEACHER: teacher.read(samples, view)}
