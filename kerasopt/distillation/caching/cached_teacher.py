"""What a teacher has computed, once and for all."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching.dataset import CachedDataset
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.sources import ArraySource
from kerasopt.distillation.outputs import Output
from kerasopt.training.indexed_dataset import IndexedDataset


class CachedTeacher:
    """The outputs of a teacher for all samples, made by `kerasopt.distillation.cache`.

    It does not hold the teacher, only maps of files.

    Attributes:
        name: The name of the teacher.
        views: The number of views of each sample.
        outputs: List of the `Output`s of the teacher, flat: their names, shapes and kinds.
        attended: The number of callbacks that take the teacher's part out of batches. On JAX
            batches have none as long as it is 0: `fit` computes the loss of the first batch before
            there are callbacks.
    """

    def __init__(self, name: str, folder: CacheFolder, outputs: list[Output], made_of: Any):
        self.name = name
        self.outputs = outputs
        self.attended = 0
        self._folder, self._made_of = folder, made_of
        self._layout, self._columns = folder.layout, folder.maps()
        self.samples: int = folder.facts["samples"]
        self.views = folder.rows // self.samples

    @property
    def structure(self) -> Any:
        """What the teacher gives for a batch: `KerasTensor`s with an open batch size."""
        empty = self.read(slice(0, 0))
        return keras.tree.map_structure(
            lambda array: keras.KerasTensor((None, *array.shape[1:]), array.dtype.name), empty
        )

    def read(self, samples: Any, view: int = 0) -> Any:
        """Returns what the teacher gives for some samples.

        Args:
            samples: Indices, an integer array, or a slice.
            view: The index of the view.

        Returns:
            Dict of `"outputs"`, in the structure of the teacher's, and `"features"`, a tuple.
        """
        return self._part("teacher", samples, view)

    def dataset(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int = 32,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        shuffle: bool = True,
        seed: int = 0,
    ) -> CachedDataset:
        """Returns the data for `fit`: batches of samples, with what the teacher gives for them.

        Args:
            x: The inputs that the cache was made of.
            y: Targets: an array, or a dict, tuple or list of arrays, or `None`.
            batch_size: Samples in a batch.
            sample_weight: Sample weights, or `None`.
            class_weight: Dict of the weight of each class, as in `fit`, or `None`.
            shuffle: Whether each epoch is another permutation of the samples.
            seed: Integer that determines the permutations.

        Raises:
            ValueError: If the cache is of other data, or an argument is out of range.
        """
        source = ArraySource(x)
        if source.made_of() != self._made_of:
            raise ValueError(
                "The cache was made of other inputs: pass the same arrays as to `cache`, in the "
                "same order. Received: x with another checksum"
            )
        weights = _weights(y, sample_weight, class_weight, self.samples)
        data = IndexedDataset(source.x, y, weights, self.samples, batch_size, seed, shuffle)
        return CachedDataset(self, data)

    def _part(self, part: str, samples: Any, view: int) -> Any:
        begin = view * self.samples
        if isinstance(samples, slice):
            rows: Any = slice(begin + samples.start, begin + samples.stop)
        else:
            rows = samples + begin
        return self._layout.decode(part, self._columns, rows)


def _weights(y: Any, sample_weight: Any, class_weight: Any, samples: int) -> Any:
    if class_weight is None:
        return sample_weight
    if sample_weight is not None:
        raise ValueError(
            "Pass either `sample_weight` or `class_weight`: multiply the weights of classes into "
            f"those of samples. Received: class_weight={class_weight}, and sample_weight"
        )
    labels = keras.tree.flatten(y)
    if len(labels) != 1 or labels[0] is None:
        raise ValueError(
            f"`class_weight` needs one array of targets. Received: class_weight={class_weight}, "
            f"{len(labels)} arrays in y"
        )
    labels = np.asarray(labels[0])
    if labels.ndim > 1:
        labels = labels[..., 0] if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    weights = np.ones(labels.shape, "float32")
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    return weights
