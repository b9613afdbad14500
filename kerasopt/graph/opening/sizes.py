"""Sizes of axes that are unknown while a layer is recorded."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import keras

# An expression: an integer, an index of a leaf, or (operator, expression, expression).
Expression = Any

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}


class Size(int):
    """A size that stands for an unknown one: a number that nothing else in a model has.

    Sums, products and so on of sizes are sizes, which remember how they were computed.

    Attributes:
        sizes: The `Sizes` that it belongs to.
        expression: How it is computed: the name of an unknown size, or a tuple of an operator and
            two operands.
    """

    sizes: Sizes
    expression: Expression

    __hash__ = int.__hash__

    def __neg__(self) -> Any:
        return 0 - self


def _define(symbol: str, name: str) -> None:
    compute = _OPERATORS[symbol]

    def forward(self: Size, other: Any) -> Any:
        return self.sizes.computed(symbol, compute, self, other)

    def backward(self: Size, other: Any) -> Any:
        return self.sizes.computed(symbol, compute, other, self)

    setattr(Size, f"__{name}__", forward)
    setattr(Size, f"__r{name}__", backward)


for _symbol, _name in zip(_OPERATORS, ("add", "sub", "mul", "floordiv", "mod"), strict=True):
    _define(_symbol, _name)


class Sizes:
    """The unknown sizes of a recording.

    Keras computes shapes with plain integers. Each size has a value of its own, so it is recognized
    in a shape by its value.

    Args:
        values: Iterable of the integers that stand for unknown sizes.
    """

    def __init__(self, values: Iterable[int]):
        self._values = iter(values)
        self._known: dict[int, Size] = {}

    def new(self, name: str) -> Size:
        """Returns a new unknown size."""
        value = next(self._values, None)
        if value is None:
            raise ValueError("too many sizes are unknown")
        self.name(value, name)
        return self._known[value]

    def name(self, value: int, name: str) -> None:
        """Makes a number that Keras has computed a size."""
        self._known[value] = _size(self, value, name)

    def values_of(self, names: Iterable[str]) -> dict[str, int]:
        """Returns the values that stand for unknown sizes, by name."""
        return {x.expression: int(x) for x in self._known.values() if x.expression in set(names)}

    def of(self, value: Any) -> Any:
        """Returns the size of this value if there is one, otherwise the value itself."""
        return self._known.get(value, value) if isinstance(value, int) else value

    def computed(self, symbol: str, compute: Callable[[Any, Any], Any], *operands: Any) -> Any:
        if not all(isinstance(each, int) for each in operands):
            return NotImplemented
        value = compute(*map(int, operands))
        if value in self._known:
            return self._known[value]
        expression = (symbol, *(getattr(x, "expression", x) for x in operands))
        # What an axis of unknown size is divided into may be constant.
        names = names_in(expression)
        others = ({x: (n + 2) * 1009 + i for i, x in enumerate(sorted(names))} for n in range(3))
        if all(evaluate(expression, other) == value for other in others):
            return value
        size = _size(self, value, expression)
        if value >= 0:  # others are never found in a shape
            self._known[value] = size
        return size

    def shape(self, shape: Iterable[int | None]) -> tuple[int | None, ...]:
        """Returns a shape, its unknown sizes as `None`."""
        return tuple(None if size in self._known else size for size in shape)


def _size(sizes: Sizes, value: int, expression: Expression) -> Size:
    size = Size(value)
    size.sizes, size.expression = sizes, expression
    return size


def as_integer(value: Any) -> Any:
    """Returns a plain integer for a `Size`, anything else as it is."""
    return int(value) if isinstance(value, int) and type(value) is not bool else value


def has_size(structure: Any) -> bool:
    """Whether there is a `Size` in a structure, also in slices."""
    return any(isinstance(x, Size) for x in flattened(structure))


def is_beyond(x: Any, key: Any) -> bool:
    """Whether `x[key]` has slices that end at a `Size` that is larger than the axis.

    What they cut depends on which of the two is larger.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    count = len(x.shape) - sum(part is not None and part is not Ellipsis for part in parts)
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    place = next(i for i, part in enumerate(parts) if part is Ellipsis)
    parts[place : place + 1] = [slice(None)] * count
    axes = [part for part in parts if part is not None]
    return any(
        isinstance(bound, Size) and abs(int(bound)) > size
        for part, size in zip(axes, x.shape, strict=True)
        if isinstance(part, slice) and size is not None
        for bound in (part.start, part.stop)
    )


def flattened(structure: Any) -> list[Any]:
    """Returns the leaves of a structure, slices opened."""
    found: list[Any] = []
    for leaf in keras.tree.flatten(structure):
        found += [leaf.start, leaf.stop, leaf.step] if isinstance(leaf, slice) else [leaf]
    return found


def names_in(expression: Expression) -> set[str]:
    """Returns the names of the unknown sizes in an expression."""
    if isinstance(expression, str):
        return {expression}
    return set().union(*map(names_in, expression[1:])) if isinstance(expression, tuple) else set()


def evaluate(expression: Expression, known: dict[str, Any]) -> Any:
    """Returns the value of an expression, given the sizes by their names."""
    if isinstance(expression, str):
        return known[expression]
    if isinstance(expression, (tuple, list)):
        symbol, *operands = expression
        return _OPERATORS[symbol](*(evaluate(each, known) for each in operands))
    return expression
