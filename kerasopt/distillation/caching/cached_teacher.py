"""What a teacher has computed, once and for all."""

from __future__ import annotations

import functools
import weakref
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching.attending import AttendedCache
from kerasopt.distillation.caching.class_weights import weights_of
from kerasopt.distillation.caching.dataset import (
    AccompaniedDataset,
    Batch,
    CachedDataset,
    SampledDataset,
)
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.sources import ArraySource, as_source
from kerasopt.distillation.outputs import Output
from kerasopt.training.indexed_dataset import IndexedDataset
from kerasopt.training.taps import Tap

_REPLAYED = ("x", "y", "sample_weight")


class CachedTeacher:
    """The outputs of a teacher for all samples, made by `kerasopt.distillation.cache`.

    It does not hold the teacher, only maps of files.

    Attributes:
        name: The name of the teacher.
        samples: The number of samples.
        views: The number of views of each sample.
        outputs: List of the `Output`s of the teacher, flat: their names, shapes and kinds.
        taps: List of the paths of the layers that `"features"` belong to, each with its `Tap`.
        channels_first: Whether images of the teacher have channels first.
        attending: The set of those that take the teacher's part out of batches.
    """

    def __init__(
        self,
        name: str,
        folder: CacheFolder,
        outputs: list[Output],
        taps: list[tuple[str, Tap]],
        channels_first: bool,
        made_of: Any,
    ):
        self.name, self.outputs = name, outputs
        self.taps, self.channels_first = taps, channels_first
        self.attending: weakref.WeakSet[AttendedCache] = weakref.WeakSet()
        self.samples: int = folder.facts["samples"]
        self.views = folder.rows // self.samples
        self._folder, self._layout, self._columns = folder, folder.layout, folder.maps()
        self._made_of = made_of
        self._datasets: weakref.WeakSet[CachedDataset] = weakref.WeakSet()

    def as_teacher(self) -> AttendedCache:
        """Returns the teacher that `kerasopt.callbacks.Distillation` asks."""
        return AttendedCache(self)

    @property
    def structure(self) -> Any:
        """What the teacher gives for a batch: `KerasTensor`s with an open batch size."""
        return keras.tree.map_structure(
            lambda array: keras.KerasTensor((None, *array.shape[1:]), array.dtype.name),
            self.read(slice(0, 0)),
        )

    def read(self, samples: Any, view: int = 0) -> Any:
        """Returns what the teacher gives for some samples.

        Args:
            samples: Indices, an integer array, or a slice.
            view: The index of the view.

        Returns:
            Dict of `"outputs"`, in the structure of the teacher's, and `"features"`, a tuple.
        """
        return {part: self._part(part, samples, view) for part in ("outputs", "features")}

    def replayed(self, samples: Any, view: int) -> Batch:
        """Returns what the cache has of the inputs, targets and weights of some samples."""
        names = [name for name in _REPLAYED if name in self._layout.parts]
        return {name: self._part(name, samples, view) for name in names}

    def checksums(self, samples: slice) -> np.ndarray:
        """Returns the checksums of the ends of batches, for datasets that are not replayed."""
        return self._part("checksum", samples, 0)

    def set_epoch(self, epoch: int) -> None:
        """Sets the next epoch of all datasets of this teacher; called by callbacks."""
        for data in self._datasets:
            data.set_epoch(epoch)

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
        """Returns the data for `fit`: batches with what the teacher gives for their samples.

        A `keras.utils.PyDataset` or `tf.data.Dataset` must give the same batches as it gave for the
        cache: the first and the last sample of each batch are checked. With `views` or `augment`
        the cache has their batches, and `x` is left out.

        ```python
        cached = ko.distillation.cache(teacher, x, "teacher_cache")
        data = cached.dataset(x, y, batch_size=16)
        model.fit(data, epochs=10, callbacks=[ko.callbacks.Distillation(cached)])
        ```

        Args:
            x: What the cache was made of. A `kerasopt.curriculum.CurriculumDataset` over the same
                inputs may take the place of arrays.
            y: Targets: an array, or a dict, tuple or list of arrays, or `None`. Only for arrays.
            batch_size: Samples in a batch, for arrays and for replayed batches.
            sample_weight: Sample weights, or `None`. Only for arrays.
            class_weight: Dict of the weight of each class, as in `fit` (which does not take any
                with this dataset), or `None`.
            shuffle: Whether each epoch is another permutation of the samples, likewise.
            seed: Integer that determines the permutations.

        Raises:
            ValueError: If the cache is of other data, or an argument is out of range or missing;
                in `fit`, if a dataset gives other batches.
        """
        weigh = functools.partial(weights_of, class_weight)
        arguments = {"y": y, "sample_weight": sample_weight}
        if isinstance(x, IndexedDataset):
            _require_none(arguments, x)
            self._require_inputs(x.x)
            made: CachedDataset = SampledDataset(self, weigh, x)
        elif self._is_of_batches:
            _require_none(arguments, x)
            made = self._of_batches(x, weigh, batch_size, seed, shuffle)
        else:
            self._require_inputs(x)
            options = (self.samples, batch_size, seed, shuffle)
            inputs = None if self._replays else x
            data = IndexedDataset(inputs, y, sample_weight, *options)
            made = SampledDataset(self, weigh, data)
        self._datasets.add(made)
        return made

    @property
    def _is_of_batches(self) -> bool:
        return isinstance(self._made_of, dict)

    @property
    def _replays(self) -> bool:
        return "x" in self._layout.parts

    def _of_batches(self, x: Any, weigh: Any, batch_size: int, seed: int, shuffle: bool):
        if self._replays:
            if x is not None:
                raise ValueError(
                    "The cache replays the batches that it was made of: call `dataset` without "
                    f"`x`. Received: x of type {type(x).__name__}"
                )
            data = IndexedDataset(None, None, None, self.samples, batch_size, seed, shuffle)
            return SampledDataset(self, weigh, data)
        source = as_source(x)
        if not source.is_in_batches or source.made_of() != self._made_of:
            raise ValueError(
                f"The cache was made of a dataset of {self._made_of['batches']} batches: pass that "
                f"dataset. Received: x of type {type(x).__name__}, {source.made_of()}"
            )
        sizes = [size for size, count in self._folder.facts["sizes"] for _ in range(count)]
        begins = np.cumsum([0, *sizes])
        return AccompaniedDataset(self, weigh, x, begins)

    def _require_inputs(self, x: Any) -> None:
        """Raises `ValueError` if the cache was made of other arrays."""
        if x is None and self._replays:
            return
        if self._is_of_batches or ArraySource(x).made_of() != self._made_of:
            raise ValueError(
                "The cache was made of other inputs: pass what `cache` was given, in the same "
                f"order. Received: x of type {type(x).__name__} with another checksum"
            )

    def _part(self, part: str, samples: Any, view: int) -> Any:
        begin = view * self.samples
        if isinstance(samples, slice):
            rows: Any = slice(begin + samples.start, begin + samples.stop)
        else:
            rows = samples + begin
        return self._layout.joined(part, self._columns, rows)


def _require_none(arguments: dict[str, Any], x: Any) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(
            "`y` and `sample_weight` belong to arrays: a dataset has its own. Received: "
            f"{' and '.join(given)}, with x of type {type(x).__name__}"
        )
