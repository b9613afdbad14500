"""Constants of converted calls that layers hold in few bits.

Converters dequantize such weights, and write them in an order of their own: transposed, as gates
of another order, or two in one. So a constant is told by its values: whole numbers times the scales
that the layers have, to the last bit.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np

from kerasopt.graph import Node, layers
from kerasopt.inference.held import DynamicWeight, HalfWeight, HeldWeight, IntegerWeight
from kerasopt.parametrization import links_by_slot, weights_read_once

_WIDTHS = (2, 4, 8)
_LARGEST_CODE = 255
# Constants of fewer numbers are left alone, and those smaller than a weight cut into its gates.
_SMALLEST, _MOST_PARTS = 64, 4
# Of the channels of a constant, how many tell whether it is worth to look at all.
_SAMPLE = 4
# With more scales than these, only those in their own order are tried.
_MOST_SCALES = 4096


class Integers(NamedTuple):
    """A constant as whole numbers.

        y = reshape((code - zero_point) * scale)

    Attributes:
        codes: int8 array: the constant, or with one more axis, that of groups.
        scale: float32 array that broadcasts to that.
        zero_point: int8 array of the shape of `scale`, or `None`: zeros.
        bits: Integer, 2, 4 or 8: how many are enough.
        is_dynamic: Whether it is multiplied by rows that are rounded to int8.
    """

    codes: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray | None
    bits: int
    is_dynamic: bool = False


def packed(codes: np.ndarray, bits: int) -> np.ndarray:
    """Returns signed integers of 2 or 4 bits in bytes, the first in the lowest bits."""
    per_byte = 8 // bits
    padded = np.zeros(-(-codes.size // per_byte) * per_byte, "uint8")
    padded[: codes.size] = codes.ravel() & (2**bits - 1)
    parts = padded.reshape(-1, per_byte) << (bits * np.arange(per_byte))
    return parts.sum(axis=1).astype("uint8")


def held_links(node: Node) -> list[HeldWeight]:
    """Returns what holds weights of the layer that a node calls, and of those inside it."""
    layer = node.operation
    if not isinstance(layer, keras.Layer):
        return []
    return [
        link
        for each in [layer, *(inner for _, inner in layers(layer))]
        for _, link in links_by_slot(each, HeldWeight)
    ]


class HeldConstants:
    """Finds weights that layers hold in few bits among constants.

    Args:
        nodes: The calls that were converted.
    """

    def __init__(self, nodes: Sequence[Node]):
        self._nodes = [node for node in nodes if held_links(node)]
        links = [link for node in self._nodes for link in held_links(node)]
        integers = [link for link in links if isinstance(link, IntegerWeight | DynamicWeight)]
        self._halves = {link.dtype_held for link in links if isinstance(link, HalfWeight)}
        sizes = [math.prod(link.shape) for link in links]
        self._smallest = max(_SMALLEST, min(sizes, default=0) // _MOST_PARTS)
        self._scales = {order.tobytes(): order for link in integers for order in _orders(link)}
        dynamic = [link for link in integers if isinstance(link, DynamicWeight)]
        self._dynamic = {order.tobytes() for link in dynamic for order in _orders(link)}
        self._groups = {link.group[1] for link in integers if link.group is not None}
        values = [order.ravel() for order in self._scales.values()]
        self._known = np.unique(np.concatenate(values)) if values else np.zeros(0, "float32")

    def __bool__(self) -> bool:
        return bool(self._nodes)

    @contextlib.contextmanager
    def multiplied_out(self) -> Iterator[None]:
        """Makes the weights that a trace reads constants, since converters do not fold them all."""
        with contextlib.ExitStack() as stack:
            for node in self._nodes:
                stack.enter_context(weights_read_once(node.operation))
            yield

    def find(self, constant: np.ndarray) -> np.ndarray | Integers | None:
        """Returns a constant in few bits: as 16-bit floats, as `Integers`, or not at all."""
        if constant.dtype != np.float32 or constant.size < self._smallest or not constant.any():
            return None
        for dtype in self._halves:
            half = constant.astype(np.dtype(dtype))
            if (half.astype("float32") == constant).all():
                return half
        for view, channels in self._views(constant.shape):
            found = self._integers(constant.reshape(view), channels)
            if found is not None:
                return found
        return None

    def _views(self, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Yields shapes for a constant, and the axes that have scales, the fewest first."""
        axes = range(len(shape))
        for count in range(3):
            for channels in itertools.combinations(axes, count):
                yield shape, channels
        for group, axis in itertools.product(sorted(self._groups), axes):
            if shape[axis] % group == 0:
                view = (*shape[:axis], shape[axis] // group, group, *shape[axis + 1 :])
                others = [other for other in range(len(view)) if other not in (axis, axis + 1)]
                for other in [(), *((each,) for each in others)]:
                    yield view, tuple(sorted((axis, *other)))

    def _integers(self, array: np.ndarray, channels: tuple[int, ...]) -> Integers | None:
        count = math.prod(array.shape[axis] for axis in channels)
        if 4 * count > array.size:  # as many scales as weights are no gain
            return None
        rest = tuple(axis for axis in range(array.ndim) if axis not in channels)
        columns = array.transpose((*rest, *channels)).reshape(-1, count)
        scale = self._scales_of(columns)
        if scale is None:
            return None
        sizes = [size if axis in channels else 1 for axis, size in enumerate(array.shape)]
        scale = scale.reshape(sizes)
        codes = np.rint(array / scale).astype("int32")
        low, high = (codes.min(rest, keepdims=True), codes.max(rest, keepdims=True))
        for bits in _WIDTHS:
            half = 2 ** (bits - 1)
            if -half <= low.min() and high.max() < half:
                is_dynamic = scale.tobytes() in self._dynamic
                return Integers(codes.astype("int8"), scale, None, bits, is_dynamic)
            zero_point = np.clip(0, -half - low, half - 1 - high)
            if (high - low).max() < 2 * half and abs(zero_point).max() < 128:
                shifted = (codes + zero_point).astype("int8")
                return Integers(shifted, scale, zero_point.astype("int8"), bits)
        return None

    def _scales_of(self, columns: np.ndarray) -> np.ndarray | None:
        """Returns the scale of each column, `None` if there is a column without one."""
        for order in self._scales.values():
            if order.size == columns.shape[1] and _fits(columns, order.ravel()):
                return order.ravel()
        if len(self._known) > _MOST_SCALES:
            return None
        found = np.ones(columns.shape[1], "float32")
        sample = np.linspace(0, len(found) - 1, _SAMPLE).astype(int)
        for column in [*sample, *range(len(found))]:
            values = columns[:, column]
            largest = abs(values).max()
            if largest > 0:
                levels = largest / self._known
                near = abs(levels - np.rint(levels)) < 1e-3
                candidates = self._known[near & (np.rint(levels) <= _LARGEST_CODE)]
                fitting = (s for s in candidates[::-1] if _fits(values, s))
                scale = next(fitting, None)
                if scale is None:
                    return None
                found[column] = scale
        return found


def _orders(link: IntegerWeight | DynamicWeight) -> list[np.ndarray]:
    """Returns the scales of a weight in the orders that a constant may have them in."""
    scales = link.scales()
    return [scales, np.ascontiguousarray(scales.T)]


def _fits(values: np.ndarray, scale: np.ndarray) -> bool:
    """Whether values are whole numbers times a scale, to the last bit."""
    with np.errstate(over="ignore", invalid="ignore"):
        for part in (values[:_SAMPLE], values):  # most others fail at once
            codes = np.rint(part / scale)
            if not (codes * scale == part).all() or abs(codes).max() > _LARGEST_CODE:
                return False
    return True
