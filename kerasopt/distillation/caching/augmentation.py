"""Views: what an augmentation makes of inputs, again and again the same."""

from __future__ import annotations

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from kerasopt.training.randomness import get_randomness, set_randomness


class Augmentation:
    """Augments a batch, in a way that follows from the seed, the view and its first sample.

    Args:
        augment: A layer, or a function of a batch of inputs.
        seed: Integer.

    Raises:
        TypeError: If `augment` is neither.
    """

    def __init__(self, augment: Callable[..., Any], seed: int):
        if not callable(augment):
            raise TypeError(
                "`augment` must be a layer or a function of a batch of inputs. Received: "
                f"augment={augment!r}"
            )
        self._augment, self._seed = augment, seed
        takes = augment.call if isinstance(augment, keras.Layer) else augment
        names = inspect.signature(takes).parameters
        self._options = {"training": True} if "training" in names else {}

    def __call__(self, x: Any, view: int, first: int) -> Any:
        """Returns the augmented inputs.

        Args:
            x: The inputs of a batch.
            view: The index of the view.
            first: The index of the batch's first sample.

        Raises:
            ValueError: If their number has changed.
        """
        with _seeded(self._augment, [self._seed, view, first]):
            made = self._augment(x, **self._options)
        made = keras.tree.map_structure(keras.ops.convert_to_numpy, made)
        counts = [len(array) if array.ndim else 0 for array in keras.tree.flatten(made)]
        expected = len(keras.tree.flatten(x)[0])
        if any(count != expected for count in counts):
            raise ValueError(
                "`augment` must return as many samples as it is given. Received: "
                f"{expected} samples, from which it made {counts}"
            )
        return made


@contextlib.contextmanager
def _seeded(augment: Any, seed: list[int]) -> Iterator[None]:
    """Seeds whatever may be drawn from, and puts it back afterwards."""
    weights = {id(weight) for weight in getattr(augment, "weights", ())}
    states = [each for each in getattr(augment, "variables", ()) if id(each) not in weights]
    before, values = get_randomness(), [state.numpy() for state in states]
    draws = np.random.default_rng(seed).integers(0, 2**31, 2 + len(states))
    random.seed(int(draws[0]))
    np.random.seed(draws[1])
    for state, draw in zip(states, draws[2:], strict=True):
        state.assign(np.array([draw, 0], state.dtype))
    try:
        yield
    finally:
        set_randomness(before)
        for state, value in zip(states, values, strict=True):
            state.assign(value)
