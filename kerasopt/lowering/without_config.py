"""Float layers that no file can hold, as the operations that their code calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasopt.graph.opening.call import Unrecordable
from kerasopt.graph.opening.opening import record
from kerasopt.keras_internals.graphs import copied
from kerasopt.keras_internals.interception import SymbolicArguments


def has_config(layer: keras.Layer) -> bool:
    """Whether Keras can make a layer anew from what a file holds of it.

    Some cannot: they have no `get_config` and were made with an object (a dtype policy; so is
    Keras' own `Identity` in keras-hub), or a `get_config` with what their constructor does not
    accept.
    """
    is_known = type(layer).__module__.startswith(("keras.", "kerasopt."))
    try:
        config = layer.get_config()
        if not is_known:
            type(layer).from_config(config)
    except Exception:  # of any class: it is code of others
        return False
    return True


def as_operations(layer: keras.Layer, name: Callable[[str], str]) -> Callable[..., Any]:
    """Returns a function that calls the operations of a layer, its weights constants.

    Args:
        layer: A layer without inner layers. If its code cannot be recorded, or calls layers, the
            function calls the layer.
        name: Function that returns a name for an operation, given its path in the layer.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        arguments = SymbolicArguments(*args, **kwargs)
        try:
            recording = record(layer, arguments)
        except Unrecordable:
            return layer(*args, **kwargs)
        if any(isinstance(call.operation, keras.Layer) for call in recording.calls):
            return layer(*args, **kwargs)
        given = [*arguments.keras_tensors, *recording.masks_read]
        values = dict(zip(map(id, recording.inputs), given, strict=True))
        for call in recording.calls:
            operation = copied(call.operation)
            operation.name = name(call.path)
            args, kwargs = call.arguments.fill_in(values)
            results = keras.tree.flatten(operation(*args, **kwargs))
            values.update(zip(map(id, call.outputs), results, strict=True))
        return [values[id(tensor)] for tensor in recording.outputs]

    return run
