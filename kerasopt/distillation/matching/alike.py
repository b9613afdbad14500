"""Makes the shapes of two tensors alike."""

from __future__ import annotations

from typing import Any

from keras import ops

from kerasopt.keras_internals.calls import copy_mask


class Alike:
    """Makes a student's tensor comparable with the teacher's.

    Channels are moved to the last axis. What a loss needs to be equal is made equal: positions by
    averaging those of the larger one (images whose sizes do not divide are resized), channels by
    the student's `Projection`.

    Args:
        adapts: What is made equal: a set of `"size"` and `"channels"`.
        channels_first: Whether images of the teacher, and of the student, have channels first.
    """

    projection: Any = None

    def __init__(self, adapts: frozenset[str], channels_first: tuple[bool, bool]):
        self.adapts = adapts
        self._channels_first = channels_first

    def __call__(self, teacher: Any, student: Any) -> tuple[Any, Any]:
        """Returns the tensors to compare, float32."""
        if isinstance(teacher, tuple):
            return teacher, student
        teacher, student = map(_channels_last, (teacher, student), self._channels_first)
        given = student
        if "size" in self.adapts:
            teacher, student = _same_size(teacher, student)
        if self.projection is not None:
            student = self.projection(student)
        if student.shape[:-1] == given.shape[:-1]:
            copy_mask(given, student)
        return teacher, student


def _channels_last(x: Any, channels_first: bool) -> Any:
    single = ops.cast(x, "float32")
    if channels_first and len(x.shape) == 4:
        return ops.moveaxis(single, 1, -1)
    copy_mask(x, single)
    return single


def _same_size(teacher: Any, student: Any) -> tuple[Any, Any]:
    rank = min(len(teacher.shape), len(student.shape))
    if rank == 2:
        return _averaged(teacher), _averaged(student)
    sizes = teacher.shape[1:-1], student.shape[1:-1]
    smaller = tuple(map(_smaller, *sizes))
    return _resized(teacher, smaller), _resized(student, smaller)


def _smaller(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return None
    return min(one, other)


def _averaged(x: Any) -> Any:
    axes = tuple(range(1, len(x.shape) - 1))
    return ops.mean(x, axis=axes) if axes else x


def _resized(x: Any, size: tuple[int | None, ...]) -> Any:
    own = tuple(x.shape[1:-1])
    if own == size or None in own or None in size:
        return x  # open sizes are taken to be equal
    if all(a % b == 0 for a, b in zip(own, size, strict=True)):
        factors = tuple(a // b for a, b in zip(own, size, strict=True))
        return ops.average_pool(x, factors, factors, data_format="channels_last")
    if len(size) == 2:
        return ops.image.resize(x, size, antialias=True, data_format="channels_last")
    raise ValueError(
        f"Sequences of lengths {own[0]} and {size[0]} cannot be compared: one must be a multiple "
        "of the other."
    )
