"""Calls of float layers in the new model, which a file has to hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras

from kerasopt.graph.opening.call import Unrecordable
from kerasopt.graph.opening.leaves import declares_outputs
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.reasons import REFUSALS
from kerasopt.graph.parametrized import own_class
from kerasopt.keras_internals.graphs import copied
from kerasopt.keras_internals.interception import SymbolicArguments
from kerasopt.keras_internals.layers import flattened


def can_be_loaded(layer: keras.Layer) -> bool:
    """Whether Keras can make a layer anew from what a file holds of it.

    Some cannot: they have no `get_config` and were made with an object (a dtype policy; so is
    Keras' own `Identity` in keras-hub), a `get_config` with what their constructor does not accept,
    or without what gives their weights their shapes, or a function that is not registered.
    """
    classes = {type(each).__name__: type(each) for each in flattened(layer)}
    is_custom = not type(layer).__module__.startswith("keras.")
    try:
        with keras.saving.custom_object_scope(classes):
            config = keras.saving.serialize_keras_object(layer)
            # Building takes memory.
            config["build_config"] = config.get("build_config") if is_custom else None
            made = keras.saving.deserialize_keras_object(config)
    except Exception:  # of any class: it is code of others
        return False
    return not made.built or [x.shape for x in made.weights] == [x.shape for x in layer.weights]


def call_of_float(
    layer: keras.Layer, is_loaded: bool, name: Callable[[str], str]
) -> Callable[..., Any]:
    """Returns a function that calls a layer, or the operations that it consists of.

    These stand for it if no file can hold it, or if it declares other outputs than it returns, so
    that it cannot be called on symbolic tensors. Its weights become constants.

    Args:
        layer: A layer. If its code cannot be recorded, or calls layers, the function calls it.
        is_loaded: Boolean, whether it `can_be_loaded`.
        name: Function that returns a name for an operation, given its path in the layer.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        if is_loaded and declares_outputs(own_class(layer)):
            with contextlib.suppress(*REFUSALS):
                return layer(*args, **kwargs)
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
