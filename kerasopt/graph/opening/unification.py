"""Unknown sizes that have to be equal, because an operation needs it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from kerasopt.graph.opening.sizes import Size, evaluate, names_in
from kerasopt.keras_internals.interception import compute_output_spec

Pair = tuple[str, str]


class SizesDiffer(Exception):
    """Raised where an operation needs unknown sizes to be equal.

    Attributes:
        pairs: List of pairs of their names.
    """

    def __init__(self, pairs: list[Pair]):
        super().__init__(pairs)
        self.pairs = pairs


def equal_sizes(compute: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> list[Pair]:
    """Returns which unknown sizes have to be equal for a call to succeed, by trying.

    Args:
        compute: What has failed; a function of tensors.
        args: Its positional arguments, in which there may be sizes, too.
        kwargs: Its keyword arguments.

    Returns:
        List of pairs of names; empty if the sizes are not the reason.
    """
    flat = keras.tree.flatten((args, kwargs))
    tensors = [x for x in flat if isinstance(x, keras.KerasTensor)]
    values: dict[str, int] = {}
    for size in itertools.chain(flat, *(x.shape for x in tensors)):
        if isinstance(size, Size):
            values |= size.sizes.values_of(names_in(size.expression))
    for pairs in _candidates(tensors, sorted(values)):
        known = dict(values)
        for first, second in pairs:
            known[second] = known[first]
        try:
            compute_output_spec(compute, *_with(args, known), **_with(kwargs, known))
        except Exception:  # whatever an operation says about shapes
            continue
        return pairs
    return []


def _candidates(tensors: list[keras.KerasTensor], names: list[str]) -> Iterator[list[Pair]]:
    pairs = list(itertools.combinations(names, 2))
    yield from ([pair] for pair in pairs)
    aligned = {
        (first.expression, second.expression)
        for left, right in itertools.combinations(tensors, 2)
        for first, second in zip(reversed(left.shape), reversed(right.shape), strict=False)
        if _is_name(first) and _is_name(second) and first.expression != second.expression
    }
    if len(aligned) > 1:
        yield sorted(aligned)
    if len(pairs) > 1:
        yield [(names[0], other) for other in names[1:]]


def _is_name(size: Any) -> bool:
    return isinstance(size, Size) and isinstance(size.expression, str)


def _with(structure: Any, known: dict[str, int]) -> Any:
    def replaced(x: Any) -> Any:
        if isinstance(x, Size):
            return evaluate(x.expression, known)
        if not isinstance(x, keras.KerasTensor):
            return x
        sizes = [evaluate(s.expression, known) if isinstance(s, Size) else s for s in x.shape]
        return keras.KerasTensor(sizes, x.dtype)

    return keras.tree.map_structure(replaced, structure)
