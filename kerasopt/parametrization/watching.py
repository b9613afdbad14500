"""Runs the code of a layer so that operations it calls are layers, which have chains."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import keras

from kerasopt.graph.dot_product_attention import attend, is_attention
from kerasopt.graph.inner_operation import inner_operation
from kerasopt.graph.opening.composite import paths_inside
from kerasopt.graph.opening.places import Places
from kerasopt.keras_internals.calls import is_training
from kerasopt.keras_internals.interception import any_symbolic_tensors, callers, intercepted
from kerasopt.keras_internals.live_tensor import LiveTensor


def watched(call: Callable) -> Callable:
    """Returns a `call` that is the layer's own one, in which operations go through their chains.

    The code computes with `LiveTensor`s, which Keras takes for symbolic ones: so each operation
    that it calls, also `x + y`, is a `keras.Operation`. Everything else is as without: sizes,
    branches, random numbers and inner layers.
    """

    @functools.wraps(call)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if any_symbolic_tensors(args, kwargs):
            return call(self, *args, **kwargs)  # while a graph is recorded
        places = Places(self)
        watcher = _Watcher(self, places, sys._getframe())
        args, kwargs = keras.tree.map_structure(_live, (args, kwargs))
        try:
            with intercepted(watcher):
                outputs = call(self, *args, **kwargs)
        finally:
            watcher.forget()
        if not is_training(self):
            places.keep()
        return keras.tree.map_structure(_value, outputs)

    return run


class _Watcher:
    """An `Interceptor` that computes."""

    def __init__(self, layer: keras.Layer, places: Places, frame: Any):
        self._layer = layer
        self._places = places
        self._frame = frame
        self._parts = paths_inside(layer)

    def forget(self) -> None:
        """Lets the frame go: in a cycle with it, it would keep traced functions alive."""
        self._frame = None

    def operation(self, operation: Any, args: tuple, kwargs: dict, own: Any) -> Any:
        if is_attention(operation):
            return attend(*args, **{**kwargs, "is_causal": operation.is_causal})
        return self._run(operation, args, kwargs, operation.call)

    def _run(self, operation: Any, args: tuple, kwargs: dict, own: Callable) -> Any:
        key = self._places.key(operation, callers(self._frame))
        args, kwargs = keras.tree.map_structure(_value, (args, kwargs))
        found = None if key is None else inner_operation(self._layer, key)
        if found is None:
            outputs = own(*args, **kwargs)
        else:
            found.become(operation)
            args, kwargs = keras.tree.map_structure(_read, (args, kwargs))
            outputs = found(*args, **kwargs)
        return keras.tree.map_structure(_live, outputs)

    def layer(self, layer: keras.Layer, args: tuple, kwargs: dict, own: Any) -> Any:
        if not any_symbolic_tensors(args, kwargs):
            return own(layer, *args, **kwargs)
        if id(layer) not in self._parts:  # its code has made it
            return self._run(layer, args, kwargs, functools.partial(own, layer))
        args, kwargs = keras.tree.map_structure(_value, (args, kwargs))
        return keras.tree.map_structure(_live, own(layer, *args, **kwargs))

    def add_loss(self, layer: keras.Layer, loss: Any, own: Any) -> None:
        own(layer, keras.tree.map_structure(_value, loss))

    def shape(self, tensor: keras.KerasTensor, own: tuple) -> tuple:
        return own

    def function(self, name: str, args: tuple, kwargs: dict, own: Any) -> Any:
        return own(*args, **kwargs)

    def backend_function(self, name: str, args: tuple, kwargs: dict) -> Any:
        return NotImplemented


def _live(value: Any) -> Any:
    is_tensor = keras.ops.is_tensor(value) and not isinstance(value, keras.Variable)
    return LiveTensor(value) if is_tensor else value


def _value(value: Any) -> Any:
    if isinstance(value, slice):
        return slice(*map(_value, (value.start, value.stop, value.step)))
    return value.value if isinstance(value, LiveTensor) else value


def _read(value: Any) -> Any:
    """Returns the value of a weight, which Keras takes for no tensor on JAX."""
    return keras.ops.convert_to_tensor(value) if isinstance(value, keras.Variable) else value
