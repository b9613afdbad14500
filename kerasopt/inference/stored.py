"""Weights that are read from files."""

import contextlib
import ctypes
import functools
import math
from typing import Any

import keras
import numpy as np

from kerasopt.keras_internals import is_reading_file, without_values

# Arrays from this size on are worth a look through the whole heap.
_LARGE = 4 * 2**20


# Weights from this size on are allocated when the file is found to have them.
_SMALL = 2**20


class StoredLayer(keras.layers.Layer):
    """Base of the layers that check what a file has before they allocate what its config says.

    A few bytes of a config can ask for all memory there is. So while a model is made from a file,
    large weights are without values; `load_own_variables`, which Keras calls for every layer then,
    has to give them some by `keras_internals.set_values`.
    """

    def add_weight(self, shape: Any = None, *args: Any, **kwargs: Any) -> keras.Variable:
        size = math.prod(shape or ()) * np.dtype(kwargs.get("dtype") or "float32").itemsize
        add = functools.partial(super().add_weight, shape, *args, **kwargs)
        return without_values(add) if size >= _SMALL and is_reading_file() else add()


def stored_array(layer: str, store: Any, key: str, weight: Any, name: str) -> np.ndarray:
    """Returns the array of a file for a weight of a layer.

    Args:
        layer: String, the name of the layer.
        store: What Keras hands over to read from.
        key: String, the key of the array.
        weight: Variable or array of the same shape and dtype.
        name: String, the name of the weight.

    Raises:
        ValueError: If the file has none, or one of another shape or dtype, which would be cast.
    """
    found = store[key] if key in store.keys() else None
    if found is None or (found.shape, found.dtype) != (weight.shape, weight.dtype):
        received = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
        raise ValueError(
            f"The file is damaged, or another version of kerasopt wrote it: '{name}' "
            f"of layer '{layer}' must be {weight.dtype} of shape {weight.shape}. "
            f"Received: {received}"
        )
    return found[...]


def release(size: int) -> None:
    """Gives memory that the C library keeps from reading `size` bytes back to the system.

    Kernels lie in a file as they were before packing. What was allocated for them is free, but
    glibc, having met large blocks once, keeps blocks of that size for itself.
    """
    if size < _LARGE:
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
