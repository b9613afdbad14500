"""Conversion of tensors to arrays."""

import keras
import numpy as np


def to_float32(tensor) -> np.ndarray:
    """Returns a float32 array of the values of a tensor or variable."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float32")
