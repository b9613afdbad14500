"""Everything that a model holds, and what a copy must not share."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Any

import keras

from kerasopt.graph import object_parts as objects
from kerasopt.keras_internals.copies import (
    OWN,
    call_behind,
    call_lists,
    calls_before,
    is_call,
    loss_lists,
)

_PLAIN = (str, bytes, int, float, complex, type(None), type(...))


class Anatomy:
    """The objects that are reachable from a model.

    A copy needs its own layers, operations, variables and graph, and its own containers of them.
    The graph is that of the model and its inner models; calls of the layers by other models are not
    followed.

    Args:
        model: A `keras.Model`.

    Attributes:
        own: List of the layers, operations, variables, nodes and tensors of the graph.
    """

    def __init__(self, model: keras.Model):
        self.own: list[Any] = []
        self._model = model
        self._things: dict[int, Any] = {}  # kept alive, so that ids stay unique
        self._holders: dict[int, list[int]] = {}
        self._node_lists: set[int] = set()
        self._emptied: set[int] = set()
        self._walk(model)
        self._needed = self._with_holders()
        for cls in {type(thing) for thing in self.own}:
            self._require_no_globals(cls)

    def has(self, thing: Any) -> bool:
        """Whether a copy of the model needs its own copy of `thing`."""
        return id(thing) in self._needed

    def items(self, container: Iterable[Any]) -> list[Any]:
        """Returns the items of a container that belong into its copy."""
        if id(container) in self._emptied:
            return []
        if id(container) in self._node_lists:
            return [x for x in container if not is_call(x) or id(x) in self._things]
        return list(container)

    def node_index(self, operation: keras.Operation, index: int) -> int:
        """Returns the index of a call of an operation among those in the model."""
        return sum(id(node) in self._things for node in calls_before(operation, index))

    def _walk(self, model: keras.Model) -> None:
        waiting: list[Any] = [model]
        while waiting:
            thing = waiting.pop()
            if id(thing) in self._things:
                continue
            self._things[id(thing)] = thing
            if isinstance(thing, OWN) or objects.is_raw_variable(thing):
                self.own.append(thing)
            for part in self._parts(thing):
                if type(part) not in _PLAIN:
                    self._holders.setdefault(id(part), []).append(id(thing))
                    waiting.append(part)

    def _parts(self, thing: Any) -> Iterable[Any]:
        if id(thing) in self._node_lists or id(thing) in self._emptied:
            return ()
        if isinstance(thing, keras.Operation):
            self._set_aside(vars(thing))
        return [*objects.parts_of(thing), *call_behind(thing)]

    def _set_aside(self, state: dict[str, Any]) -> None:
        """Marks the lists with all calls of an operation, or results of its last call."""
        for nodes in call_lists(state):
            # TensorFlow's lists wrap their items in further lists.
            inner = [x for x in getattr(nodes, "__dict__", {}).values() if isinstance(x, list)]
            self._node_lists.update(map(id, [nodes, *inner]))
        self._emptied.update(map(id, loss_lists(state)))

    def _with_holders(self) -> set[int]:
        for thing in list(self._things.values()):
            if isinstance(thing, types.FunctionType):
                for value in objects.globals_of(thing).values():
                    self._holders.setdefault(id(value), []).append(id(thing))
        needed: set[int] = set()
        waiting = [id(thing) for thing in self.own]
        while waiting:
            each = waiting.pop()
            if each not in needed:
                needed.add(each)
                waiting += self._holders.get(each, ())
        return needed

    def _require_no_globals(self, cls: type) -> None:
        """Raises `ValueError` if methods of a class read a layer of the model as a global."""
        for method in objects.methods_of(cls):
            cells = zip(method.__code__.co_freevars, method.__closure__ or (), strict=True)
            read = {name: value for name, cell in cells for value in objects.contents_of(cell)}
            for name, value in {**objects.globals_of(method), **read}.items():
                if self.has(value) and value is not self._model:
                    raise ValueError(
                        f"Model '{self._model.name}' cannot be copied: `{cls.__name__}."
                        f"{method.__name__}` reads '{name}', a layer or weight of the model, from "
                        "outside the class. Pass it to `__init__` and keep it as an attribute. "
                        f"Received: model={self._model.name}"
                    )
