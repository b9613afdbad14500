"""Names of the operations that a layer calls."""

from __future__ import annotations

import re
import weakref
from collections import Counter
from typing import Any

import keras

# By layer, what the instructions that call operations are named.
_KNOWN: weakref.WeakKeyDictionary[keras.Layer, dict[Any, str]] = weakref.WeakKeyDictionary()


class Places:
    """The names (keys) of the operations that the code of a layer calls: `"add"`, `"add_1"`.

    Operations are numbered in the order of a call in inference mode. In other calls an operation
    has the name of the one that the same instruction calls there, so branches for training, and
    caches, do not change names.

    Args:
        layer: The layer.
    """

    def __init__(self, layer: keras.Layer):
        known = _KNOWN.get(layer)
        self._layer = layer
        self._taken = set(vars(layer))
        self._counts: Counter[str] = Counter()
        self._seen: Counter[Any] = Counter()
        self._defines = known is None
        self._known: dict[Any, str] = {} if known is None else known

    def keep(self) -> None:
        """Keeps the names, after a whole call in inference mode."""
        _KNOWN.setdefault(self._layer, self._known)

    def key(self, operation: keras.Operation, place: tuple[Any, ...]) -> str | None:
        """Returns the name of an operation that is called now, or `None` if it has none.

        Args:
            operation: The operation.
            place: The instructions that call it.
        """
        kind = _snake_case(type(operation).__name__)
        occurrence = (kind, place, self._seen[kind, place])
        self._seen[kind, place] += 1
        if self._defines:
            name = kind
            while name in self._taken or hasattr(type(self._layer), name):
                self._counts[kind] += 1
                name = f"{kind}_{self._counts[kind]}"
            self._taken.add(name)
            self._known[occurrence] = name
        return self._known.get(occurrence)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
