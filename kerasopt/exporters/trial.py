"""What a file is run on once, after it was written."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

# Of axes that a model leaves open; too small for some networks, too large for some positions.
_SIZES = (8, 64, 1)


def trial_inputs(functional: Any) -> list[np.ndarray]:
    """Returns zeros of sizes with which a model runs, in flat order; none if none were found."""
    if not any(None in tensor.shape[1:] for tensor in functional.inputs):
        return [_zeros(tensor, 1) for tensor in functional.inputs]
    for size in _SIZES:
        arrays = [_zeros(tensor, size) for tensor in functional.inputs]
        try:
            functional(keras.tree.pack_sequence_as(functional.input, arrays), training=False)
        except Exception:  # whatever layers raise of sizes that they do not take
            continue
        return arrays
    return []


def _zeros(tensor: keras.KerasTensor, size: int) -> np.ndarray:
    sizes = [1, *[size] * len(tensor.shape)]
    shape = [x if known is None else known for known, x in zip(tensor.shape, sizes, strict=False)]
    return np.zeros(shape, tensor.dtype)
