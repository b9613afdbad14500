"""Sums over positions, channels and samples that several feature losses need."""

from typing import Any

from keras import ops

# Far below the squared norm of features that are not zero.
_TINY = 1e-24


def mean_of_positions(values: Any, mask: Any = None) -> Any:
    """Returns the mean of each sample over the positions that count.

    Args:
        values: Tensor of shape `(batch,)` or `(batch, length, ...)`.
        mask: Boolean tensor of shape `(batch, length)`, or `None`.

    Returns:
        Tensor of shape `(batch,)`, 0 where no position counts.
    """
    if mask is None:
        return ops.mean(values, axis=tuple(range(1, len(values.shape))))
    values = ops.mean(values, axis=tuple(range(2, len(values.shape))))
    weights = ops.cast(mask, values.dtype)
    total = ops.sum(masked(values, mask), axis=1)
    return total / ops.maximum(ops.sum(weights, axis=1), 1.0)


def masked(features: Any, mask: Any) -> Any:
    """Returns features that are zero at positions that do not count."""
    if mask is None:
        return features
    return ops.where(over_positions(mask, features), features, 0.0)


def over_positions(mask: Any, features: Any) -> Any:
    """Returns a mask `(batch, length)` with as many axes as features have."""
    added = tuple(range(2, len(features.shape)))
    return ops.expand_dims(ops.cast(mask, "bool"), added) if added else ops.cast(mask, "bool")


def rows(features: Any, mask: Any = None) -> Any:
    """Returns a vector for each sample: all of its features, shape `(batch, size)`.

    A mask is that of the student. It applies to the teacher if that has as many positions.
    """
    positions = tuple(features.shape[1:2]) if len(features.shape) > 2 else ()
    if mask is not None and positions == tuple(mask.shape[1:]):
        features = masked(features, mask)
    return ops.reshape(features, (ops.shape(features)[0], -1))


def unit(vectors: Any) -> Any:
    """Returns vectors, on the last axis, divided by their lengths; zeros stay zeros.

    Zeros have no direction, and a gradient of 0, where that of `keras.ops.normalize` is NaN.
    """
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    is_zero = squares < _TINY
    return vectors * ops.where(is_zero, 0.0, ops.rsqrt(ops.where(is_zero, 1.0, squares)))


def huber(difference: Any) -> Any:
    """Returns `d ** 2 / 2` of small differences and `|d| - 1 / 2` of those from 1 on."""
    size = ops.abs(difference)
    return ops.where(size < 1.0, 0.5 * ops.square(size), size - 0.5)
