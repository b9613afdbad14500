"""Keeps tensors that a step computes."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras

from kerasopt.keras_internals.attention import COMPUTE, computed_scores
from kerasopt.keras_internals.calls import SET_MASKS, mask_of, set_mask
from kerasopt.training.taps.finding import Place

_METHODS = {"scores": COMPUTE, "projections": COMPUTE}


class Probes:
    """Reads the tensors of places while a model is called.

    While the context `reading` is open, methods of the layers are replaced on the objects
    themselves, so a step that is traced inside it keeps what it computes. Each thread reads its
    own tensors: a strategy traces each replica in one.

    ```python
    from kerasopt.training.taps import Probes, Tap, find

    probes = Probes([find(model, Tap("dense"))])
    with probes.reading():
        model(x)
        (features,) = probes.take()
    ```

    Args:
        places: List of `Place`.
    """

    def __init__(self, places: Sequence[Place]):
        self.places = list(places)
        self._local = threading.local()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Reads what is called inside the context."""
        own = []
        try:
            for index, place in enumerate(self.places):
                attributes = vars(place.operation)
                for name, method in self._replaced(index, place):
                    own.append((attributes, name, attributes.get(name)))
                    attributes[name] = method
            yield
        finally:
            for attributes, name, value in reversed(own):
                if value is None:
                    attributes.pop(name, None)
                else:
                    attributes[name] = value

    def take(self) -> list[Any]:
        """Returns what this thread has read since the last time, for each place.

        Raises:
            ValueError: If a layer was not called, or it is unclear which call is meant.
        """
        calls: dict[int, list[Any]] = {}
        for index, read in self.take_all():
            calls.setdefault(index, []).append(read)
        return [_of_call(place, calls.get(i, [])) for i, place in enumerate(self.places)]

    def take_all(self) -> list[tuple[int, Any]]:
        """Returns the index of a place and what was read, for each call, in their order."""
        calls, masks = getattr(self._local, "calls", []), getattr(self._local, "masks", [])
        self._local.calls, self._local.masks = [], []
        for tensor, mask in masks:
            set_mask(tensor, mask)
        return calls

    def _replaced(self, index: int, place: Place) -> Iterator[tuple[str, Callable]]:
        """Yields the names of methods and what stands in for them."""
        operation, name = place.operation, _METHODS.get(place.tap.of, "call")
        yield name, self._reading(index, place, getattr(operation, name))
        if place.tap.of == "output" and isinstance(operation, keras.Layer):
            yield SET_MASKS, self._keeping_masks(getattr(operation, SET_MASKS))

    def _keeping_masks(self, method: Callable) -> Callable:
        """Keeps the masks of outputs: `MultiHeadAttention` takes them off what it receives."""

        @functools.wraps(method)
        def set_masks(inputs: Any, outputs: Any, *args: Any) -> None:
            method(inputs, outputs, *args)
            masks = [(tensor, mask_of(tensor)) for tensor in keras.tree.flatten(outputs)]
            kept = [(tensor, mask) for tensor, mask in masks if mask is not None]
            self._local.masks = [*getattr(self._local, "masks", []), *kept]

        return set_masks

    def _reading(self, index: int, place: Place, method: Callable) -> Callable:
        @functools.wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            outputs = method(*args, **kwargs)
            if not hasattr(self._local, "calls"):
                self._local.calls = []
            self._local.calls.append((index, _read(place, args, kwargs, outputs)))
            return outputs

        return call


def _read(place: Place, args: tuple, kwargs: dict[str, Any], outputs: Any) -> Any:
    of = place.tap.of
    if of == "output":
        return outputs
    if of == "input":
        return args[0] if args else next(iter(kwargs.values()))
    return _of_attention(of, args, kwargs)


def _of_attention(of: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    names = ("query", "key", "value", "attention_mask")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    query, key, mask = given["query"], given["key"], given.get("attention_mask")
    scores = None
    if of == "scores":
        scores = computed_scores(query, key, mask, given.get("use_causal_mask", False))
    if mask is not None and len(mask.shape) == 3 and query.shape[1] == key.shape[1]:
        # Where a sequence attends to itself, padding is what no query sees.
        seen = keras.ops.any(keras.ops.cast(mask, "bool"), axis=1)
        set_mask(query if scores is None else scores, seen)
    return (query, key, given["value"]) if scores is None else scores


def _of_call(place: Place, calls: list[Any]) -> Any:
    index = place.tap.call
    if index is None and len(calls) > 1:
        raise ValueError(
            f"'{place.path}' is called {len(calls)} times in a step: say which call is meant, by "
            f"`Tap(..., call=0)` for the first one. Received: the tap {place.tap}"
        )
    if len(calls) <= (index or 0):
        raise ValueError(
            f"'{place.path}' is called {len(calls)} times in a step, so there is nothing to read. "
            f"Received: the tap {place.tap}, call={index}"
        )
    return calls[index or 0]
