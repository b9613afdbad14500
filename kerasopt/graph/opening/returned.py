"""The tensors that layers return in the place of those that they declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from kerasopt.graph.opening.leaves import computed_outputs, declares_outputs
from kerasopt.graph.opening.reasons import REFUSALS
from kerasopt.graph.parametrized import own_class
from kerasopt.keras_internals.interception import SymbolicArguments

# Two guesses of the unknown sizes of what a layer reads that declares other outputs.
_SIZES = (range(37, 58), range(59, 80))


class Returned:
    """Symbolic tensors in the shapes that layers compute, for composites that read them."""

    def __init__(self) -> None:
        self._tensors: dict[int, keras.KerasTensor] = {}  # by the ids of those declared

    def arguments(self, call: Any) -> SymbolicArguments:
        """Returns the arguments of a call, with the tensors that layers before it return."""
        if not any(id(x) in self._tensors for x in call.input_tensors):
            return call.arguments
        known = {id(x): self._tensors.get(id(x), x) for x in call.input_tensors}
        args, kwargs = call.arguments.fill_in(known)
        return SymbolicArguments(*args, **kwargs)

    def follow(self, call: Any) -> None:
        """Finds what a layer returns whose class declares what another one does."""
        layer = call.operation
        if not isinstance(layer, keras.Layer) or declares_outputs(own_class(layer)):
            return
        arguments = self.arguments(call)
        try:
            found = [_computed(layer, arguments, values) for values in _SIZES]
        except REFUSALS:
            return  # it is believed
        for tensor, *made in zip(call.outputs, *found, strict=False):
            sizes = zip(*(x.shape for x in made), strict=True)
            shape = tuple(size if size == other else None for size, other in sizes)
            if tensor.shape != shape:
                self._tensors[id(tensor)] = keras.KerasTensor(shape, made[0].dtype)


def _computed(layer: keras.Layer, arguments: Any, values: Iterable[int]) -> list[Any]:
    """Returns what a layer returns for some values of the unknown sizes."""
    free = iter(values)

    def sized(x: keras.KerasTensor) -> keras.KerasTensor:
        shape = [next(free) if size is None else size for size in x.shape]
        return keras.KerasTensor(shape, x.dtype)

    args, kwargs = arguments.fill_in({id(x): sized(x) for x in arguments.keras_tensors})
    return keras.tree.flatten(computed_outputs(layer, args, kwargs))
