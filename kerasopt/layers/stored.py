"""Weights that are read from files."""

from typing import Any

import numpy as np


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
    found = store[key][...] if key in store.keys() else None
    if found is None or (found.shape, found.dtype) != (weight.shape, weight.dtype):
        received = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
        raise ValueError(
            f"The file is damaged, or another version of kerasopt wrote it: '{name}' "
            f"of layer '{layer}' must be {weight.dtype} of shape {weight.shape}. "
            f"Received: {received}"
        )
    return found
