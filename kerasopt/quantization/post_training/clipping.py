"""Clipping of weights that minimizes the rounding error of each channel."""

import keras
import numpy as np

from kerasopt.quantization.formats import NEGLIGIBLE
from kerasopt.quantization.weights import WeightQuantizer

_FACTORS = np.linspace(1.0, 0.3, 36)
# The search ends after this number of factors that improve no channel.
_PATIENCE = 4
# With 8 bits a clip takes 2 percent off the error of a channel, and only of a long one. It is not
# worth the memory: copies of a model share the weights that nothing changes.
_MOST_BITS = 7
# Channels are searched together up to this number of values, which a cache holds.
_PIECE = 2**18


def has_grid(link) -> bool:
    """Whether a parametrization is a symmetric min-max weight quantizer.

    Subclasses compute scales or integers differently.
    """
    return type(link) is WeightQuantizer and link.format.symmetric


def clipped_weight(weight: np.ndarray, quantizer: WeightQuantizer):
    """Returns a weight clipped to minimize the rounding error of each channel.

        minimize sum (w - y(clip(w, -t, t)))^2 over t = factor * max|w|

    Up to 36 factors from 1 to 0.3 are tried. With 8 bits the best one is nearly
    always 1, so the weight is returned as it is.

    Args:
        weight: float32 array.
        quantizer: Its `WeightQuantizer`, built, of a symmetric format.
    """
    if quantizer.format.bits > _MOST_BITS:
        return weight
    values = keras.ops.convert_to_numpy(quantizer.channels.split(weight))
    rows, columns = values.shape
    clipped = np.empty_like(values)
    step = max(1, _PIECE // rows)
    for start in range(0, columns, step):
        piece = slice(start, start + step)
        clipped[:, piece] = _clipped(np.ascontiguousarray(values[:, piece]), quantizer.format)
    return quantizer.channels.merge(clipped)


def _clipped(values, format):
    largest = np.abs(values).max(axis=0).astype("float64")
    limit, smallest, idle = largest, np.full(largest.shape, np.inf), 0
    for factor in _FACTORS:
        errors = _error(values, factor * largest, format)
        limit = np.where(errors < smallest, factor * largest, limit)
        idle = 0 if (errors < smallest).any() else idle + 1
        smallest = np.minimum(errors, smallest)
        if idle == _PATIENCE:
            break
    limit = limit.astype("float32")
    return np.clip(values, -limit, limit)


def _error(values, limit, format):
    scale = np.where(limit > NEGLIGIBLE, limit * format.step, 1.0).astype("float32")
    error = values / scale
    np.rint(error, out=error)
    np.clip(error, format.minimum, format.maximum, out=error)
    error *= scale
    error -= values
    return np.square(error, out=error).sum(axis=0, dtype="float64")
