"""Unknown sizes that have to be equal, because an operation needs it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Set
from typing import Any

import keras
import numpy as np

from kerasopt.graph.opening.reasons import REFUSALS
from kerasopt.graph.opening.sizes import Size, evaluate, names_in
from kerasopt.keras_internals.interception import compute_output_spec

# The name of an unknown size, and what it has to be: another one, or a number.
Pair = tuple[str, str | int]


class SizesDiffer(Exception):
    """Raised where an operation needs unknown sizes to be equal to others, or to numbers.

    Attributes:
        pairs: List of `Pair`.
    """

    def __init__(self, pairs: list[Pair]):
        super().__init__(pairs)
        self.pairs = pairs


@contextlib.contextmanager
def sizes_compared(
    compute: Any, args: tuple, kwargs: dict[str, Any], constants: Set[int] = frozenset()
) -> Iterator[None]:
    """Raises `SizesDiffer` where a call fails because unknown sizes are taken for different.

    Args:
        compute: What is called in the context; a function of tensors.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        constants: Set of the ids of symbolic tensors that depend on weights alone.
    """
    try:
        yield
    except REFUSALS as error:
        pairs = equal_sizes(compute, args, kwargs, constants)
        if pairs:
            raise SizesDiffer(pairs) from error
        raise


def equal_sizes(
    compute: Callable[..., Any], args: tuple, kwargs: dict[str, Any], constants: Set[int]
) -> list[Pair]:
    """Returns which unknown sizes have to be equal for a call to succeed, by trying.

    Args:
        compute: What has failed; a function of tensors.
        args: Its positional arguments, in which there may be sizes, too.
        kwargs: Its keyword arguments.
        constants: As in `sizes_compared`.

    Returns:
        List of `Pair`; empty if the sizes are not the reason.
    """
    flat = keras.tree.flatten((args, kwargs))
    tensors = [x for x in flat if hasattr(x, "shape")]  # weights, too
    values: dict[str, int] = {}
    for size in itertools.chain(flat, *(x.shape for x in tensors)):
        if isinstance(size, Size):
            values |= size.sizes.values_of(names_in(size.expression))
    # An array may have been cut at a length, which nobody sees.
    unsure = (keras.KerasTensor, np.ndarray)
    fixed = [x for x in tensors if not isinstance(x, unsure) or id(x) in constants]
    for pairs in _candidates(tensors, sorted(values), fixed):
        known = dict(values)
        for name, other in pairs:
            known[name] = known[other] if isinstance(other, str) else other
        try:
            compute_output_spec(compute, *_with(args, known), **_with(kwargs, known))
        except Exception:  # whatever an operation says about shapes
            continue
        return pairs
    return []


def _candidates(tensors: list[Any], names: list[str], fixed: list[Any]) -> Iterator[list[Pair]]:
    pairs: list[Pair] = [(second, first) for first, second in itertools.combinations(names, 2)]
    yield from ([pair] for pair in pairs)
    aligned: set[Pair] = {
        (second.expression, first.expression)
        for first, second in _aligned(tensors)
        if _is_name(first) and _is_name(second) and first.expression != second.expression
    }
    if len(aligned) > 1:
        yield sorted(aligned)
    if len(pairs) > 1:
        yield pairs[: len(names) - 1]  # all of them
    # A table of positions is added as a whole, whose length the inputs have to have.
    for table, tensor in itertools.product(fixed, tensors):
        for number, name in _over_one_another(table, tensor):
            if _is_name(name) and type(number) is int and number > 1:
                yield [(name.expression, number)]


def _aligned(tensors: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yields the sizes of each two tensors that stand over one another when they are added."""
    for left, right in itertools.combinations(tensors, 2):
        yield from _over_one_another(left, right)


def _over_one_another(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    return zip(reversed(left.shape), reversed(right.shape), strict=False)


def _is_name(size: Any) -> bool:
    return isinstance(size, Size) and isinstance(size.expression, str)


def _with(structure: Any, known: dict[str, int]) -> Any:
    def replaced(x: Any) -> Any:
        if isinstance(x, Size):
            return evaluate(x.expression, known)
        if not isinstance(x, (keras.KerasTensor, keras.Variable)):
            return x
        sizes = [evaluate(s.expression, known) if isinstance(s, Size) else s for s in x.shape]
        return keras.KerasTensor(sizes, x.dtype)

    return keras.tree.map_structure(replaced, structure)
