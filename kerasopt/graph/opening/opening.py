"""Opens layers whose `call` is made of other layers and of `keras.ops`."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterable, Iterator, Set
from typing import Any

import keras

from kerasopt.graph.opening.call import Axis, Call, Recording, TooManyCalls, Unrecordable
from kerasopt.graph.opening.reasons import REFUSALS, reason
from kerasopt.graph.opening.recorder import Recorder
from kerasopt.graph.opening.sizes import Size, Sizes
from kerasopt.graph.opening.unification import Pair, SizesDiffer
from kerasopt.keras_internals.calls import inference, mask_of, set_mask
from kerasopt.keras_internals.graphs import calls_forgotten
from kerasopt.keras_internals.interception import (
    SymbolicArguments,
    intercepted,
    set_shape,
)
from kerasopt.keras_internals.layers import flattened

# Primes, which no layer has as a size: large ones, so that no product is ambiguous, and smaller
# ones for code that checks a length against a maximum.
_LARGE = (1000003, 1000033, 1000037, 1000039, 1000081, 1000099, 1000117, 1000121, 1000133, 1000151)
_LARGER = (1000159, 1000171, 1000183, 1000187, 1000193, 1000199, 1000211, 1000213, 1000231, 1000249)
_SMALL = (37, 41, 43, 47, 53, 59, 61, 67, 71, 73)
_MEDIUM = (79, 83, 89, 97, 101, 103, 107, 109, 113, 127)
# Code that cuts one length to another one needs the order in which they are.
_VALUES = (_LARGE, _SMALL, _LARGER[::-1], _MEDIUM[::-1], _MEDIUM, _SMALL[::-1])

# Unknown sizes: a dict of (index of a tensor, axis) to a name, which equal ones share, or to the
# number that it has to be.
Equal = dict[tuple[int, int], str | int]


def record(layer: keras.Layer, arguments: SymbolicArguments) -> Recording:
    """Records what a layer computes when it is called.

    Args:
        layer: A built layer.
        arguments: The arguments of its call, with symbolic tensors. Sizes of their axes may be
            unknown: those that have to be equal are found by trying.

    Returns:
        A `Recording`; its tensors have the unknown sizes that those of `arguments` have.

    Raises:
        Unrecordable: With the reason, if that is impossible.
    """
    attempt = _Attempt(layer, arguments)
    while True:
        found = attempt.first()
        # Again, with other sizes: Python state and chance must have no part in it.
        again = attempt.again()
        if found.steps != again.steps:
            raise Unrecordable("its code does not do the same in every call")
        computed = found.other_sizes(again)
        if not computed:
            break
        attempt.computed |= computed
    if found.constants != again.constants:
        raise Unrecordable("its code computes numbers from sizes that are unknown")
    return found


class _Attempt:
    """Records a layer with several guesses of the unknown sizes."""

    def __init__(self, layer: keras.Layer, arguments: SymbolicArguments):
        self._layer = layer
        self._arguments = arguments
        self._last: tuple[Any, Any] = ({}, ())
        self._tried = list(_VALUES)  # those with which its code ends
        self.computed: set[Axis] = set()

    def first(self) -> Recording:
        """Returns the first recording that succeeds."""
        # Not the errors: their frames would keep traced functions alive. One that says why itself
        # is better than what Keras raises.
        why: dict[bool, str] = {}
        for equal, values in itertools.product(_guesses(self._arguments), _VALUES):
            if values in self._tried:
                try:
                    return self._record(equal, values)
                except TooManyCalls as error:
                    why.setdefault(False, str(error))
                    self._tried.remove(values)
                except REFUSALS as error:
                    why.setdefault(isinstance(error, Unrecordable), reason(error))
        raise Unrecordable(why.get(True) or why[False])

    def again(self) -> Recording:
        """Returns a second recording, with other sizes if these are possible."""
        equal, last = self._last
        for values in (*(x for x in self._tried if x is not last), last):
            with contextlib.suppress(TooManyCalls, *REFUSALS):
                return self._record(equal, values)
        raise Unrecordable("its code does not do the same in every call")

    def _record(self, equal: Equal, values: Iterable[int]) -> Recording:
        while True:
            self._last = equal, values
            with calls_forgotten(flattened(self._layer)):
                try:
                    return _recorded(self._layer, self._arguments, equal, values, self.computed)
                except SizesDiffer as error:
                    known, equal = equal, _united(equal, error.pairs)
                    if equal == known and error.__cause__:  # they are sizes that a layer computes
                        raise error.__cause__ from None


def _united(equal: Equal, pairs: list[Pair]) -> Equal:
    for name, other in pairs:
        equal = {place: other if known == name else known for place, known in equal.items()}
    return equal


def _guesses(arguments: SymbolicArguments) -> Iterator[Equal]:
    """Yields guesses which unknown sizes are equal.

    First those of batches only; further ones are found while recording. Code that compares shapes
    itself needs the other guesses.
    """
    places = [
        (index, axis)
        for index, tensor in enumerate(arguments.keras_tensors)
        for axis, size in enumerate(tensor.shape)
        if size is None
    ]
    seen: list[list[str]] = []
    for same in (
        lambda index, axis: min(axis, 1) and (index, axis),  # only the batch size
        lambda index, axis: (index, axis),  # a first axis need not be that of the batch
        lambda index, axis: axis,
        lambda index, axis: min(axis, 1),
    ):
        names = [same(*place) for place in places]
        numbers = [f"size_{names.index(name)}" for name in names]
        if numbers not in seen:
            seen.append(numbers)
            yield dict(zip(places, numbers, strict=True))


def _recorded(
    layer: keras.Layer,
    arguments: SymbolicArguments,
    equal: Equal,
    values: Iterable[int],
    computed: Set[Axis],
) -> Recording:
    sizes = Sizes(values)
    recorder = Recorder(sizes, computed)
    by_name: dict[Any, Size] = {}

    def symbol(like: keras.KerasTensor, index: int) -> keras.KerasTensor:
        shape: list[Any] = list(like.shape)
        for axis in [axis for axis, size in enumerate(shape) if size is None]:
            name = equal[index, axis]
            if isinstance(name, str) and name not in by_name:
                by_name[name] = sizes.new(name)
            shape[axis] = by_name.get(name, name)
        return recorder.symbol(shape, like.dtype)

    symbols = {id(x): symbol(x, i) for i, x in enumerate(arguments.keras_tensors)}
    masks: dict[int, tuple[keras.KerasTensor, keras.KerasTensor]] = {}
    for index, tensor in enumerate(arguments.keras_tensors):
        mask = mask_of(tensor)
        if mask is not None:
            masks.setdefault(id(mask), (mask, symbol(mask, index)))
            set_mask(symbols[id(tensor)], masks[id(mask)][1])
    args, kwargs = arguments.fill_in(symbols)
    with intercepted(recorder, functions=True), inference(layer), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras has said all of it when the model was built
        result = recorder.run(layer, args, kwargs)
    inputs = [symbols[id(tensor)] for tensor in arguments.keras_tensors]
    inputs += [made for _, made in masks.values()]
    outputs = [x for x in keras.tree.flatten(result) if x is not None]
    calls = _needed(recorder.calls, inputs, [*outputs, *(mask for _, mask in recorder.masks)])
    recorder.keep_names()
    for tensor in itertools.chain(inputs, *(call.outputs for call in calls)):
        set_shape(tensor, sizes.shape(tensor.shape))
    read = [mask for mask, _ in masks.values()]
    return Recording(inputs, read, recorder.masks, outputs, result, calls, recorder.closed)


def _needed(calls: list[Call], inputs: list[Any], outputs: list[Any]) -> list[Call]:
    """Returns the calls that the outputs depend on."""
    needed, kept = set(map(id, outputs)), []
    for call in reversed(calls):
        if needed & set(map(id, call.outputs)):
            kept.append(call)
            needed.update(map(id, call.input_tensors))
    known = {id(x) for call in kept for x in call.outputs} | set(map(id, inputs))
    if not needed <= known:
        raise Unrecordable("it keeps tensors of earlier calls, or returns constants")
    return kept[::-1]
