"""Batches of inputs."""

import itertools
import math
from typing import Any

import keras
import numpy as np


def batches_of(data: Any, batch_size: int | None = None, examples: float = math.inf) -> list:
    """Returns batches of inputs from data for `model.predict`.

    Args:
        data: Arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset`.
        batch_size: Integer, for arrays. Defaults to 32.
        examples: Reading stops after this number of examples.
    """
    found: list = []
    for batch in _read(data, batch_size or 32):
        found.append(batch)
        if sum(len(keras.tree.flatten(each)[0]) for each in found) >= examples:
            break
    return found


def _read(data, size):
    if isinstance(data, keras.utils.PyDataset):
        yield from map(_inputs, (data[index] for index in range(data.num_batches or 0)))
    elif hasattr(data, "element_spec"):
        yield from map(_inputs, data)
    else:
        # A tuple contains arrays, as for `model.predict`.
        count = len(keras.tree.flatten(data)[0])
        for begin in itertools.count(0, size):
            if begin >= count:
                return
            yield keras.tree.map_structure(
                lambda array, begin=begin: np.asarray(array[begin : begin + size]), data
            )


def _inputs(batch):
    """Returns the inputs of a batch of a dataset, without targets and sample weights."""
    return batch[0] if isinstance(batch, tuple) else batch
