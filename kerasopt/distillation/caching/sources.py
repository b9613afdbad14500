"""Where the inputs of a cache come from."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching import checksums

Batch = dict[str, Any]


class ArraySource:
    """Arrays of samples.

    Args:
        x: Inputs: an array, or a dict, tuple or list of arrays.

    Raises:
        ValueError: If their lengths differ, or there are no samples.
    """

    def __init__(self, x: Any):
        self.x = keras.tree.map_structure(np.asarray, x)
        arrays = keras.tree.flatten(self.x)
        lengths = {len(array) if array.ndim else 0 for array in arrays}
        if len(lengths) != 1 or 0 in lengths:
            shapes = [array.shape for array in arrays]
            raise ValueError(
                "`x` must be arrays with one entry for each sample. "
                f"Received: x with shapes {shapes}"
            )
        self.samples: int = lengths.pop()

    def made_of(self) -> Any:
        """Returns the checksums of the data, JSON-serializable."""
        return [checksums.of_array(array) for array in keras.tree.flatten(self.x)]

    def batches(self, view: int, first: int, batch_size: int) -> Iterator[Batch]:
        """Yields the batches of a view, from sample `first` on."""
        for start in range(first, self.samples, batch_size):
            rows = slice(start, min(start + batch_size, self.samples))
            yield {"x": keras.tree.map_structure(operator.itemgetter(rows), self.x)}
