"""The division of a weight into groups that are pruned together."""

import functools
import itertools
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grouping:
    """The division of a weight into groups: a grid of blocks over a view of it.

    The view is `weight.transpose(axes).reshape(view)`. A block spans `block[i]` positions along
    axis i of the view; if that does not divide `view[i]`, the last blocks are smaller. Groups are
    numbered in the order of the grid, the last axis fastest.

    ```python
    grouping = Grouping.along((3, 3, 16, 32), axes=(3,))  # the filters of a convolution
    grouping.count, grouping.sizes  # 32, 144
    norms = np.linalg.norm(grouping.split(np.random.normal(size=(3, 3, 16, 32))), axis=1)
    mask = grouping.expand(norms > np.median(norms))  # boolean, (3, 3, 16, 32)
    ```

    Args:
        shape: Tuple of integers, the shape of the weight.
        axes: Tuple of integers, the axes of the weight in the order of the view.
        view: Tuple of integers, the shape of the view.
        block: Tuple of integers, of the length of `view`.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    view: tuple[int, ...]
    block: tuple[int, ...]

    @classmethod
    def elements(cls, shape: tuple[int, ...]) -> "Grouping":
        """Returns the grouping in which every element is a group."""
        return cls(shape, tuple(range(len(shape))), (math.prod(shape),), (1,))

    @classmethod
    def along(cls, shape: tuple[int, ...], axes: Collection[int]) -> "Grouping":
        """Returns the grouping with one group for every index along `axes`."""
        order = tuple(range(len(shape)))
        block = tuple(1 if axis in axes else shape[axis] for axis in order)
        return cls(shape, order, shape, block)

    @functools.cached_property
    def count(self) -> int:
        """The number of groups."""
        return math.prod(self._grid)

    @functools.cached_property
    def sizes(self) -> int | np.ndarray:
        """The number of weights in a group: an integer if all are equal, or an array (count,)."""
        if not self._pads:
            return math.prod(self.block)
        sizes = functools.reduce(np.multiply.outer, self._extents()).ravel()
        return int(sizes[0]) if (sizes == sizes[0]).all() else sizes

    def split(self, array: np.ndarray) -> np.ndarray:
        """Returns the groups of an array of the weight's shape, one a row: (count, block size).

        Smaller blocks are padded with zeros. The result may be a view of `array`, as for groups of
        one weight and for filters and kernels of convolutions.
        """
        view = array.transpose(self.axes).reshape(self.view)
        if self._pads:
            padded = np.zeros(self._padded, array.dtype)
            padded[self._inside] = view
            view = padded
        tiles = view.reshape(self._tiles)
        grid, block = tuple(range(0, tiles.ndim, 2)), tuple(range(1, tiles.ndim, 2))
        size = math.prod(self.block)
        if self.block[-1] > 1:
            return tiles.transpose(grid + block).reshape(self.count, size)
        # Neighbours in memory belong to different groups; pooling is twice as fast in this order.
        return tiles.transpose(block + grid).reshape(size, self.count).T

    def merge(self, blocks: np.ndarray) -> np.ndarray:
        """Returns the array of the weight's shape whose `split` is `blocks`."""
        tiles = blocks.reshape(self._grid + self.block)
        rank = len(self.block)
        return self._unview(tiles.transpose(_interleaved(range(rank), range(rank, 2 * rank))))

    def expand(self, flags: np.ndarray) -> np.ndarray:
        """Returns an array of the weight's shape with the flag of each element's group.

        It may be a view of `flags`, so do not write to it.

        Args:
            flags: Array of shape (count,).
        """
        tiles = flags.reshape(_interleaved(self._grid, [1] * len(self._grid)))
        return self._unview(np.broadcast_to(tiles, self._tiles))

    def _unview(self, tiles):
        view = tiles.reshape(self._padded)[self._inside]
        permuted = view.reshape([self.shape[axis] for axis in self.axes])
        return np.ascontiguousarray(permuted.transpose(np.argsort(self.axes)))

    @functools.cached_property
    def _grid(self):
        return tuple(-(-side // step) for side, step in zip(self.view, self.block, strict=True))

    @property
    def _tiles(self):
        return _interleaved(self._grid, self.block)

    @property
    def _padded(self):
        return tuple(n * step for n, step in zip(self._grid, self.block, strict=True))

    @property
    def _pads(self):
        return self._padded != self.view

    @property
    def _inside(self):
        return tuple(slice(side) for side in self.view)

    def _extents(self):
        for n, step, side in zip(self._grid, self.block, self.view, strict=True):
            yield np.minimum(step, side - step * np.arange(n))


def _interleaved(grid: Iterable[int], block: Iterable[int]) -> tuple[int, ...]:
    return tuple(itertools.chain.from_iterable(zip(grid, block, strict=True)))
