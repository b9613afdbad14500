"""The states of the random number generators of a training."""

import random
from typing import Any

import numpy as np

from kerasopt.keras_internals.training import global_seed, set_global_seed


def get_randomness() -> dict[str, Any]:
    """Returns the states of Keras' global seed, Python's `random` and NumPy, JSON-serializable."""
    bits = np.random.get_state(legacy=False)
    return {
        "keras": global_seed(),
        "python": random.getstate(),
        "numpy": {**bits, "state": {**bits["state"], "key": bits["state"]["key"].tolist()}},
    }


def set_randomness(states: dict[str, Any]) -> None:
    """Sets the states that `get_randomness` has returned."""
    if states["keras"] is not None:
        # First, since it may create the generator, which draws from Python's `random`.
        set_global_seed(states["keras"])
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(states["numpy"])
