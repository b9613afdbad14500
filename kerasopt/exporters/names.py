"""The names of outputs in files, as Keras' own files have them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras


def output_names(structure: Any) -> list[str]:
    """Returns a name for each output, in flat order.

    That of an output in a dictionary is its key; in a list, or alone, `"output_0"`. Deeper ones
    have all keys on the way: `{"boxes": [a, b]}` gives `"boxes_0"` and `"boxes_1"`.
    """
    paths = [path or (0,) for path, _ in keras.tree.flatten_with_path(structure)]
    return unique(
        [
            "_".join(map(str, path if isinstance(path[0], str) else ("output", *path)))
            for path in paths
        ]
    )


def is_nested(structure: Any) -> bool:
    """Whether outputs lie deeper than a list or a dictionary."""
    return any(len(path) > 1 for path, _ in keras.tree.flatten_with_path(structure))


def numbered(names: Sequence[str]) -> list[str]:
    """Returns names of which those that were there before have a number that makes them new.

    No name that is there once gets lost to it: of `["a", "a", "a_1"]` the second is `a_2`.
    """
    taken, found = set(names), dict[str, None]()
    for name in names:
        if name in found:
            counted = (f"{name}_{count}" for count in itertools.count(1))
            name = next(each for each in counted if each not in taken)
            taken.add(name)
        found[name] = None
    return list(found)


def unique(names: Sequence[str]) -> list[str]:
    """Returns names of which those that are there more than once have their places at the end."""
    return [
        name if names.count(name) == 1 else f"{name}_{index}" for index, name in enumerate(names)
    ]
