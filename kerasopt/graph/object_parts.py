"""The parts of a model, down to the Python objects in its layers."""

from __future__ import annotations

import collections
import dis
import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from kerasopt.keras_internals.copies import OF_TRAINING, state_without_value
from kerasopt.keras_internals.layers import traced_functions

# Objects of these libraries are not parts of a model: tensors, tables, strategies, devices.
_LIBRARIES = ("tensorflow", "tensorflow_text", "jax", "jaxlib", "numpy")
# Libraries whose code does not read models from its globals.
_NOT_THE_USERS = (*_LIBRARIES, "builtins", "keras", "keras_hub", "kerasopt")

CONTAINERS = (list, dict, set, collections.deque)


def is_wrapper(thing: Any) -> bool:
    """Whether `thing` is TensorFlow's wrapper of a tuple or dict in an attribute."""
    return type(thing).__name__ in ("_DictWrapper", "_TupleWrapper")


def is_raw_variable(thing: Any) -> bool:
    """Whether `thing` is a TensorFlow variable outside of Keras."""
    return _library(type(thing)) == "tensorflow" and hasattr(thing, "assign_add")


def wrapped_function(thing: Any) -> Any:
    """Returns the Python function inside a compiled or caching one, or `None`."""
    if _library(type(thing)) == "tensorflow":
        return getattr(thing, "python_function", None)
    if _library(type(thing)) in ("jax", "jaxlib", "functools"):
        return getattr(thing, "__wrapped__", None)
    return None


def state_of(thing: Any) -> dict[str, Any]:
    """Returns the attributes of an object, without variable values and training state."""
    attributes = getattr(thing, "__dict__", {})
    if isinstance(thing, keras.Variable):
        return state_without_value(thing)
    if isinstance(thing, keras.Model):
        known = {name: value for name, value in attributes.items() if name not in OF_TRAINING}
        return known | dict.fromkeys(traced_functions(thing))
    return dict(attributes)


def slots_of(thing: Any) -> dict[str, Any]:
    """Returns the attributes of an object in `__slots__`."""
    names = [name for cls in type(thing).__mro__ for name in _slot_names(cls)]
    return {name: getattr(thing, name) for name in names if hasattr(thing, name)}


def parts_of(thing: Any) -> Iterable[Any]:
    """Returns the parts of `thing`; nothing if copies of a model share it."""
    if isinstance(thing, (type, types.ModuleType)):
        return ()
    if is_wrapper(thing):
        return (thing.__wrapped__,)
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values(), *state_of(thing).values()]
    if isinstance(thing, (*CONTAINERS, tuple, frozenset)):
        return [*thing, *state_of(thing).values()]
    if isinstance(thing, types.MethodType):
        return thing.__func__, thing.__self__
    if isinstance(thing, types.FunctionType):
        return _parts_of_function(thing)
    if isinstance(thing, types.CellType):
        return contents_of(thing)
    if isinstance(thing, functools.partial):
        return thing.func, thing.args, thing.keywords
    inner = wrapped_function(thing)
    if inner is not None:
        return (inner,)
    if _library(type(thing)) in _LIBRARIES:
        return ()
    return [*state_of(thing).values(), *slots_of(thing).values()]


def contents_of(cell: types.CellType) -> tuple[Any, ...]:
    """Returns the object in a closure cell, or nothing."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def globals_of(function: types.FunctionType) -> dict[str, Any]:
    """Returns the global names that a user's function reads, with their values."""
    if _library(function) in _NOT_THE_USERS:
        return {}
    known = function.__globals__
    return {name: known[name] for name in _global_names(function.__code__) if name in known}


def methods_of(cls: type) -> Iterator[types.FunctionType]:
    """Yields the methods of the user's classes among the bases of `cls`."""
    for base in cls.__mro__:
        if _library(base) not in _NOT_THE_USERS:
            yield from (x for x in vars(base).values() if isinstance(x, types.FunctionType))


def _parts_of_function(function: types.FunctionType) -> list[Any]:
    helpers = [x for x in globals_of(function).values() if isinstance(x, types.FunctionType)]
    closure = function.__closure__ or ()
    return [*closure, function.__defaults__, function.__kwdefaults__, vars(function), *helpers]


@functools.lru_cache(maxsize=1024)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    names = [x.argval for x in dis.get_instructions(code) if x.opname == "LOAD_GLOBAL"]
    for inner in code.co_consts:
        names += _global_names(inner) if isinstance(inner, types.CodeType) else ()
    return tuple(dict.fromkeys(names))


def _slot_names(cls: type) -> list[str]:
    slots = vars(cls).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _library(thing: Any) -> str:
    module = getattr(thing, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""
