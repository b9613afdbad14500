"""Copies of models by copying their objects, which loses nothing, unlike configs."""

from __future__ import annotations

import collections
import copy
import functools
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from kerasopt.graph import object_parts as objects
from kerasopt.graph.anatomy import Anatomy
from kerasopt.keras_internals.copies import copy_value, renew_references


def clone(model: keras.Model) -> keras.Model:
    """Returns a copy of a model, with its own weights. See `Copies`."""
    return Copies(model).of(model)


class Copies:
    """A copy of a model, with the copy of each of its objects.

    The layers, operations, graph nodes and variables are copied, whatever their classes, with all
    objects that hold them; nothing is re-created from a config. Names, paths, shared layers,
    vocabularies and other attributes of layers are kept. Stateless functions, initializers and
    lookup tables are shared. Calls of the layers by other models, and the results of `compile` and
    `fit`, are not copied.

    ```python
    copies = Copies(model)
    copied = copies.of(model)
    copied.get_layer("dense") is copies.of(model.get_layer("dense"))  # True
    ```

    Args:
        model: A built `keras.Model`.

    Raises:
        ValueError: If an object in the model cannot be copied.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        self._anatomy = Anatomy(model)
        self._copies: dict[int, Any] = {}
        self._states: dict[int, dict[str, Any]] = {}
        self._unfilled: collections.deque[tuple[Any, Any]] = collections.deque()
        self.of(model)
        # Iteratively, since a graph of many layers is deeper than Python's stack.
        while self._unfilled:
            self._fill(*self._unfilled.popleft())
        for thing in self._anatomy.own:
            if id(thing) in self._copies:
                place_of = self._anatomy.node_index
                renew_references(thing, self.of(thing), self.of, self._copied_ids, place_of)

    def of(self, thing: Any) -> Any:
        """Returns the copy of an object in the model, or the object itself if it is shared."""
        if id(thing) not in self._copies:
            if isinstance(thing, weakref.ref) and self._anatomy.has(thing()):
                return weakref.ref(self.of(thing()))
            if isinstance(thing, objects.CONTAINERS) and not objects.is_wrapper(thing):
                return self._container(thing)
            if isinstance(thing, tuple) and not objects.is_wrapper(thing):
                return self._tuple(thing)
            if not self._anatomy.has(thing):
                # All other objects are shared.
                return thing.copy() if isinstance(thing, np.ndarray) else thing
            self._begin(thing)
        return self._copies[id(thing)]

    def _begin(self, thing: Any) -> None:
        """Creates the copy of an object; what may hold itself is filled later."""
        complete = next((make for cls, make in _COMPLETE.items() if isinstance(thing, cls)), None)
        if objects.is_wrapper(thing):
            made = type(thing)(self.of(thing.__wrapped__))
        elif complete is not None:
            made = complete(thing, self.of)
        elif objects.is_raw_variable(thing):
            made = copy.deepcopy(thing)
        elif objects.wrapped_function(thing) is not None:
            made = self._compiled(thing)
        else:
            made = self._empty(thing)
            self._unfilled.append((thing, made))
        self._copies[id(thing)] = made

    def _empty(self, thing: Any) -> Any:
        if isinstance(thing, types.CellType):
            return types.CellType()
        if isinstance(thing, types.FunctionType):
            return self._function(thing)
        try:
            return object.__new__(type(thing))
        except TypeError:
            raise self._refusal(thing) from None

    def _fill(self, thing: Any, made: Any) -> None:
        if isinstance(thing, types.CellType):
            for content in objects.contents_of(thing):
                made.cell_contents = self.of(content)
            return
        for name, value in objects.slots_of(thing).items():
            object.__setattr__(made, name, self.of(value))
        if hasattr(thing, "__dict__"):
            self._fill_attributes(thing, made)
        if isinstance(thing, keras.Variable):
            copy_value(thing, made)

    def _fill_attributes(self, thing: Any, made: Any) -> None:
        # A wrapped operation shares its attributes with its layer.
        known = id(vars(thing)) in self._states
        state = self._states.setdefault(id(vars(thing)), {})
        if not known:
            state.update({name: self.of(value) for name, value in objects.state_of(thing).items()})
        if isinstance(thing, types.FunctionType):
            vars(made).update(state)
        else:
            object.__setattr__(made, "__dict__", state)

    def _copied_ids(self, ids: Iterable[int]) -> set[int]:
        return {id(self._copies[each]) for each in ids if each in self._copies}

    def _tuple(self, thing: Any) -> Any:
        items = [self.of(x) for x in thing]
        if all(one is other for one, other in zip(items, thing, strict=True)):
            return thing
        return self._copies.setdefault(id(thing), tuple.__new__(type(thing), items))

    def _container(self, thing: Any) -> Any:
        cls: Any = type(thing)
        made = self._copies[id(thing)] = cls.__new__(cls)
        if isinstance(thing, collections.defaultdict):
            made.default_factory = self.of(thing.default_factory)
        # Bypasses the hooks of Keras' and TensorFlow's containers.
        if isinstance(thing, dict):
            base = collections.OrderedDict if isinstance(thing, collections.OrderedDict) else dict
            for key, value in dict.items(thing):
                base.__setitem__(made, self.of(key), self.of(value))
        else:
            extend = next(put for cls, put in _EXTEND.items() if isinstance(thing, cls))
            extend(made, [self.of(x) for x in self._anatomy.items(thing)])
        for name, value in getattr(thing, "__dict__", {}).items():
            vars(made)[name] = self.of(value)
        return made

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        read = objects.globals_of(function).items()
        own = {name: self.of(value) for name, value in read if self._anatomy.has(value)}
        made = types.FunctionType(
            function.__code__,
            {**function.__globals__, **own} if own else function.__globals__,
            function.__name__,
            self.of(function.__defaults__),
            function.__closure__ and tuple(self.of(cell) for cell in function.__closure__),
        )
        made.__kwdefaults__ = self.of(function.__kwdefaults__)
        for name in ("__qualname__", "__module__", "__doc__", "__annotations__"):
            setattr(made, name, getattr(function, name))
        return made

    def _compiled(self, thing: Any) -> Any:
        if not hasattr(thing, "_clone"):
            raise self._refusal(thing)
        return thing._clone(self.of(thing.python_function))

    def _refusal(self, thing: Any) -> ValueError:
        return ValueError(
            f"Model '{self._model.name}' cannot be copied: one of its layers has a "
            f"{type(thing).__name__} that holds layers or weights and cannot be copied. Keep them "
            f"as attributes of the layer. Received: {thing!r}"
        )


_COMPLETE: dict[type, Callable[[Any, Any], Any]] = {
    frozenset: lambda thing, of: type(thing)(of(x) for x in thing),
    types.MethodType: lambda thing, of: types.MethodType(of(thing.__func__), of(thing.__self__)),
    functools.partial: lambda thing, of: type(thing)(
        of(thing.func), *of(thing.args), **of(thing.keywords)
    ),
}
_EXTEND: dict[type, Callable[[Any, Any], None]] = {
    list: list.extend,
    set: set.update,
    collections.deque: collections.deque.extend,
}
