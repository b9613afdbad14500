"""Intercepts what Keras does with symbolic tensors: calls of operations and layers, shapes."""

import contextlib
import dis
import functools
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import keras
import numpy as np
from keras.src.backend import compute_output_spec
from keras.src.backend.common.keras_tensor import any_symbolic_tensors
from keras.src.ops.numpy import GetItem
from keras.src.ops.symbolic_arguments import SymbolicArguments

from kerasopt.keras_internals.dispatch import dispatch_functions
from kerasopt.keras_internals.operands import deferring_operators, kinds_with

__all__ = [
    "PACKAGE",
    "Interceptor",
    "SymbolicArguments",
    "any_symbolic_tensors",
    "callers",
    "compute_output_spec",
    "constructor_arguments",
    "intercepted",
    "set_shape",
]


class Interceptor(Protocol):
    """What is done instead. Each method gets what Keras would do as `own`."""

    def operation(self, operation: keras.Operation, args: tuple, kwargs: dict, own: Any) -> Any:
        """Calls an operation of `keras.ops` on arguments with symbolic tensors."""

    def layer(self, layer: keras.Layer, args: tuple, kwargs: dict, own: Any) -> Any:
        """Calls a layer."""

    def add_loss(self, layer: keras.Layer, loss: Any, own: Any) -> None:
        """Adds a loss, from the code of a layer."""

    def shape(self, tensor: keras.KerasTensor, own: tuple) -> tuple:
        """Returns the shape of a symbolic tensor."""

    def function(self, name: str, args: tuple, kwargs: dict, own: Any) -> Any:
        """Calls a function of `keras.ops`."""

    def backend_function(self, name: str, args: tuple, kwargs: dict) -> Any:
        """Calls a function of TensorFlow on symbolic tensors, or returns `NotImplemented`."""


# The folder of kerasopt, with a separator.
PACKAGE = __file__.removesuffix("interception.py").removesuffix("keras_internals/")
_ABSENT = object()
_CACHE = dis.opmap.get("CACHE", 0)
_current = threading.local()


@contextlib.contextmanager
def intercepted(by: Interceptor, functions: bool = False) -> Iterator[None]:
    """Intercepts the symbolic calls of this thread inside the context.

    Args:
        by: An `Interceptor`.
        functions: Boolean, whether functions of `keras.ops` and shapes are intercepted, too.
    """
    dispatch_functions(_dispatched)
    outer = getattr(_current, "interceptor", None)
    with _CALLS, _FUNCTIONS if functions else contextlib.nullcontext():
        _current.interceptor = by
        try:
            yield
        finally:
            _current.interceptor = outer


def callers(until: types.FrameType) -> tuple[Any, ...]:
    """Returns which instructions are being run, from the innermost one up to a frame.

    It is the same whatever is attached to a layer, and whichever operand of `x + y` is symbolic:
    frames of this package, and of operators of symbolic tensors, are left out.
    """
    found: list[Any] = []
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and frame is not until:
        found.append((frame.f_code, _instruction(frame.f_code, frame.f_lasti)))
        frame = frame.f_back
    inner = next(i for i, (code, _) in enumerate(found) if code in _CODES_OF_CALLS)
    left_out = PACKAGE, _CODE_OF_OPERATORS.co_filename
    return tuple(
        each for each in found[inner + 1 :] if not each[0].co_filename.startswith(left_out)
    )


@functools.cache
def _instruction(code: types.CodeType, index: int) -> int:
    """Returns the index of an instruction.

    Python's own index stands at the instruction or, once Python has specialized it (`x[0]` after
    some calls), at the caches behind it.
    """
    while index > 0 and code.co_code[index] == _CACHE:
        index -= 2
    return index


def constructor_arguments(operation: keras.Operation) -> dict[str, Any]:
    """Returns the arguments that an operation was made with, as far as Keras keeps them."""
    kept = getattr(operation, "_auto_config", None)
    return dict(kept.config) if kept else {}


def set_shape(tensor: keras.KerasTensor, shape: tuple[int | None, ...]) -> None:
    """Changes the shape of a symbolic tensor."""
    tensor._shape = shape


def _dispatched(name: str, args: tuple, kwargs: dict[str, Any]) -> Any:
    by = getattr(_current, "interceptor", None)
    return NotImplemented if by is None else by.backend_function(name, args, kwargs)


def _operation(own: Callable) -> Callable:
    @functools.wraps(own)
    def symbolic_call(self: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        by = getattr(_current, "interceptor", None)
        if by is None:
            return own(self, *args, **kwargs)
        if sys._getframe(1).f_code.co_filename == _CODE_OF_OPERATORS.co_filename:
            args = _as_axes(args) if isinstance(self, GetItem) else tuple(map(_without_dtype, args))
        return by.operation(self, args, kwargs, own)

    return symbolic_call


def _without_dtype(value: Any) -> Any:
    """Returns an operand of `x / y`, where a NumPy number takes on the dtype of a tensor.

    In `keras.ops.divide(x, y)` it does not.
    """
    return value.item() if isinstance(value, np.generic) else value


def _as_axes(args: tuple) -> tuple:
    """Returns what `x[key]` passes on, with a key that Keras takes: not `x[None]` or `x[1:]`."""
    tensor, key = args
    return tensor, key if isinstance(key, (int, tuple, list)) else (key,)


_CODE_OF_OPERATORS = keras.KerasTensor.__add__.__code__


def _layer(own: Callable) -> Callable:
    @functools.wraps(own)
    def call(self: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        by = getattr(_current, "interceptor", None)
        return own(self, *args, **kwargs) if by is None else by.layer(self, args, kwargs, own)

    return call


def _add_loss(own: Callable) -> Callable:
    @functools.wraps(own)
    def add_loss(self: keras.Layer, loss: Any) -> None:
        by = getattr(_current, "interceptor", None)
        return own(self, loss) if by is None else by.add_loss(self, loss, own)

    return add_loss


def _item(own: Callable) -> Callable:
    @functools.wraps(own)
    def item(self: Any, key: Any) -> Any:
        by = getattr(_current, "interceptor", None)
        return own(self, key) if by is None else by.function("get_item", (self, key), {}, own)

    return item


_CODES_OF_CALLS = (_operation(len).__code__, _layer(len).__code__)


def _shape(own: Any) -> property:
    def shape(tensor: keras.KerasTensor) -> tuple:
        by = getattr(_current, "interceptor", None)
        known = own.fget(tensor)
        return known if by is None else by.shape(tensor, known)

    return property(shape, own.fset)


@functools.cache
def _function(own: Callable) -> Callable:
    @functools.wraps(own)
    def function(*args: Any, **kwargs: Any) -> Any:
        by = getattr(_current, "interceptor", None)
        if by is None:
            return own(*args, **kwargs)
        return by.function(own.__name__, args, kwargs, own)

    return function


class _Replaced:
    """Replaces attributes while at least one thread is inside the context.

    Args:
        find: Function that returns tuples of an object, the name of an attribute of it, and a
            function that makes the new value from the own one.
    """

    def __init__(self, find: Callable[[], list[tuple[Any, str, Callable]]]):
        self._find = find
        self._lock = threading.Lock()
        self._count = 0
        self._own: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1
            if self._count == 1:
                for holder, name, make in self._find():
                    own = vars(holder).get(name, _ABSENT)
                    self._own.append((holder, name, own))
                    setattr(holder, name, make(own))

    def __exit__(self, *error: Any) -> None:
        with self._lock:
            self._count -= 1
            if self._count == 0:
                for holder, name, own in self._own:
                    if own is _ABSENT:
                        delattr(holder, name)
                    else:
                        setattr(holder, name, own)
                self._own.clear()


@functools.cache  # of 1,298 functions
def _functions() -> list[tuple[Any, str, Callable]]:
    public = vars(keras.ops)
    items = [(each, "__getitem__", _item) for each in kinds_with("__getitem__")]
    return [(keras.KerasTensor, "shape", _shape), *items] + [
        (module, name, _function)
        for path, module in list(sys.modules.items())
        if path.startswith(("keras.ops", "keras.src.ops"))
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and public.get(name) is value and name != "shape"
    ]


_CALLS = _Replaced(
    lambda: [
        (keras.Operation, "symbolic_call", _operation),
        (keras.Layer, "__call__", _layer),
        (keras.Layer, "add_loss", _add_loss),
        *deferring_operators(),
    ]
)
_FUNCTIONS = _Replaced(_functions)
