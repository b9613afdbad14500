"""The masks in TensorBoard."""

import math

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import links_of_model
from kerasopt.sparsity.mask import Mask
from kerasopt.training.technique import Summaries

# Maximum side in pixels: of an image, and of one weight in it.
_LARGEST_IMAGE, _LARGEST_CELL = 512, 16


class MaskSummaries(Summaries):
    """Sparsity, churn, threshold and image of each masked weight of a training."""

    def __init__(self):
        self._before: dict[str, np.ndarray] = {}
        self._masks: dict[str, np.ndarray] = {}

    def scalars(self, model, sample):
        self._before = self._masks
        masked = list(links_of_model(model, Mask))
        self._masks = {
            f"{path}/{slot}": keras.ops.convert_to_numpy(link.mask)
            for path, _, slot, link in masked
        }
        zeros = changes = 0
        for path, layer, slot, _ in masked:
            weight = f"{path}/{slot}"
            mask = self._masks[weight]
            pruned = mask.size - int(np.count_nonzero(mask))
            changed = int(np.count_nonzero(mask != self._before.get(weight, mask)))
            yield f"sparsity/{weight}", pruned / mask.size
            yield f"churn/{weight}", changed / mask.size
            yield f"threshold/{weight}", _threshold(getattr(layer, slot).own_value, mask)
            zeros, changes = zeros + pruned, changes + changed
        if masked:
            total = sum(mask.size for mask in self._masks.values())
            yield "sparsity/total", zeros / total
            yield "churn/total", changes / total

    def images(self, model):
        """Yields an image of every mask that has changed since the previous epoch."""
        for path, layer, slot, _ in links_of_model(model, Mask):
            weight = f"{path}/{slot}"
            mask, before = self._masks[weight], self._before.get(weight)
            if before is None or not np.array_equal(mask, before):
                yield f"mask/{weight}", _image(mask, graph.kernel_layout(layer, slot))


def _threshold(weight: keras.Variable, mask: np.ndarray) -> float:
    """The smallest magnitude of a kept weight; 0 when nothing, or everything, is pruned."""
    if mask.all() or not mask.any():
        return 0.0
    return float(np.abs(keras.ops.convert_to_numpy(weight)[mask]).min())


def _image(mask: np.ndarray, layout: graph.KernelLayout) -> np.ndarray:
    rows, columns = (*layout.spatial, *layout.contracted), layout.outputs
    height = math.prod(mask.shape[axis] for axis in rows)
    grid = np.transpose(mask, (*rows, *columns)).reshape(height, -1)
    shares = _fit(_fit(grid, axis=0), axis=1)
    return np.rint(shares * 255).astype("uint8")[np.newaxis, ..., np.newaxis]


def _fit(grid: np.ndarray, axis: int) -> np.ndarray:
    """Averages an axis that is too long for an image, repeats one that is too short to be seen."""
    length = grid.shape[axis]
    if length <= _LARGEST_IMAGE:
        return np.repeat(grid, min(_LARGEST_CELL, _LARGEST_IMAGE // length), axis)
    starts = np.arange(0, length, math.ceil(length / _LARGEST_IMAGE))
    sums = np.add.reduceat(grid, starts, axis, dtype="float32")
    counts = np.diff(starts, append=length)
    return sums / np.expand_dims(counts, 1 - axis)
