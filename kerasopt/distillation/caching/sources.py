"""Where the inputs of a cache come from."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching import checksums
from kerasopt.training.indexed_dataset import IndexedDataset

Batch = dict[str, Any]


class ArraySource:
    """Arrays of samples, which are known as a whole.

    Args:
        x: Inputs: an array, or a dict, tuple or list of arrays.

    Raises:
        ValueError: If their lengths differ, or there are no samples.
    """

    is_in_batches = False

    def __init__(self, x: Any):
        self.x = keras.tree.map_structure(np.asarray, x)
        arrays = keras.tree.flatten(self.x)
        lengths = {len(array) if array.ndim else 0 for array in arrays}
        if len(lengths) != 1 or 0 in lengths:
            shapes = [array.shape for array in arrays]
            raise ValueError(
                "`x` must be arrays with one entry for each sample, a `keras.utils.PyDataset` or a "
                f"`tf.data.Dataset`. Received: x of type {type(x).__name__}, with shapes {shapes}"
            )
        self.samples: int = lengths.pop()

    def made_of(self) -> Any:
        """Returns what is known of the data, JSON-serializable."""
        return [checksums.of_array(array) for array in keras.tree.flatten(self.x)]

    def expected(self, first: int) -> int | None:
        """Returns the number of samples, given that of the first batch; `None` if unknown."""
        return self.samples

    def batches(self, skip: int, batch_size: int) -> Iterator[Batch]:
        """Yields the batches of a pass, but for the first ones."""
        for start in range(skip * batch_size, self.samples, batch_size):
            rows = slice(start, min(start + batch_size, self.samples))
            yield {"x": keras.tree.map_structure(operator.itemgetter(rows), self.x)}


class BatchSource:
    """A dataset whose batches come in a fixed order, and are known when they come.

    Args:
        data: A `keras.utils.PyDataset` or a `tf.data.Dataset`.

    Raises:
        ValueError: If it never ends.
    """

    is_in_batches = True

    def __init__(self, data: Any):
        self.data = data
        self.count = _batches_in(data)

    def made_of(self) -> Any:
        return {"batches": self.count}

    def expected(self, first: int) -> int | None:
        return None if self.count is None else self.count * first

    def batches(self, skip: int, batch_size: int) -> Iterator[Batch]:
        if isinstance(self.data, keras.utils.PyDataset):
            self.data.on_epoch_begin()
            batches: Any = (self.data[index] for index in range(skip, len(self.data)))
        else:
            batches = self.data.skip(skip)
        for batch in batches:
            yield as_arrays(unpacked(batch))
        if isinstance(self.data, keras.utils.PyDataset):
            self.data.on_epoch_end()

    def first(self) -> Batch:
        """Returns the first batch."""
        is_indexed = isinstance(self.data, keras.utils.PyDataset)
        return as_arrays(unpacked(self.data[0] if is_indexed else next(iter(self.data))))


def unpacked(batch: Any) -> Batch:
    """Returns what a batch of `fit` consists of, by name."""
    values = keras.utils.unpack_x_y_sample_weight(batch)
    named = zip(("x", "y", "sample_weight"), values, strict=True)
    return {name: value for name, value in named if value is not None}


def as_arrays(batch: Batch) -> Batch:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, batch)


def as_source(x: Any) -> ArraySource | BatchSource:
    """Returns the source for the argument `x`.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(x, IndexedDataset):
        return ArraySource(x.x)
    if isinstance(x, keras.utils.PyDataset) or is_tf_data(x):
        return BatchSource(x)
    return ArraySource(x)


def is_tf_data(x: Any) -> bool:
    return hasattr(x, "element_spec") and hasattr(x, "cardinality")


def _batches_in(data: Any) -> int | None:
    count: int | None = int(data.cardinality()) if is_tf_data(data) else data.num_batches
    endless = count in (None, -1)
    count = None if count == -2 else count  # not known before it is read
    if endless or count == 0:
        raise ValueError(
            "`x` must have a number of batches: leave out `.repeat()`, or define `__len__`. "
            f"Received: x of type {type(data).__name__} with {'endless' if endless else 0} batches"
        )
    return count
