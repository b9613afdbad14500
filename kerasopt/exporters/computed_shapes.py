"""Models with layers that compute another shape than they declare.

Keras believes what `compute_output_shape` of a layer says; what runs goes by what `call` returns.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kerasopt.exporters.parts import ShapeMismatch
from kerasopt.graph import recorded
from kerasopt.inference import InferenceLayer
from kerasopt.keras_internals.calls import in_inference
from kerasopt.keras_internals.graphs import calls_forgotten, calls_in_order


@contextlib.contextmanager
def shaped_as_computed(model: keras.Model, mismatch: ShapeMismatch) -> Iterator[keras.Model]:
    """Yields a functional model whose tensors have the shapes that layers compute in inference.

    Args:
        model: A `keras.Model`.
        mismatch: What was raised for it, and is if its layers cannot be called on these shapes.
    """
    with recorded(model) as functional:
        calls = [call for call in calls_in_order(functional) if call.arguments.keras_tensors]
        operations = [call.operation for call in calls]
        with calls_forgotten(operations):
            values = {id(tensor): tensor for tensor in functional.inputs}
            with _specs_of_calls(operations):
                try:
                    for call in calls:
                        args, kwargs = call.arguments.fill_in(values)
                        results = in_inference(call.operation)(*args, **kwargs)
                        values.update(
                            zip(map(id, call.outputs), keras.tree.flatten(results), strict=True)
                        )
                except Exception as error:  # whatever layers raise of shapes that they do not take
                    raise mismatch from error
            changed = _changed(calls, values)
            if not changed:
                raise mismatch
            warnings.warn(
                "The file has the shapes that layers compute, which are not those that they "
                f"declare: {', '.join(changed[:5])}. Mend their `compute_output_shape`.",
                stacklevel=4,
            )
            outputs = keras.tree.map_structure(lambda x: values[id(x)], functional.output)
            yield keras.Model(functional.input, outputs, name=model.name)


@contextlib.contextmanager
def _specs_of_calls(operations: Sequence[keras.Operation]) -> Iterator[None]:
    """Lets layers declare what their `call` returns."""
    layers = {
        id(each): each
        for each in operations
        if isinstance(each, keras.Layer)
        and not isinstance(each, InferenceLayer | keras.layers.InputLayer)
    }
    for layer in layers.values():
        vars(layer)["compute_output_spec"] = functools.partial(_spec, layer)
    try:
        yield
    finally:
        for layer in layers.values():
            del vars(layer)["compute_output_spec"]


def _spec(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
    computed = keras.Operation.compute_output_spec(layer, *args, **kwargs)
    if None not in keras.tree.flatten(computed):
        return computed
    # It declares a tensor where it returns nothing.
    declared = type(layer).compute_output_spec(layer, *args, **kwargs)
    flat = zip(keras.tree.flatten(declared), keras.tree.flatten(computed), strict=True)
    return keras.tree.pack_sequence_as(declared, [own if x is None else x for own, x in flat])


def _changed(calls: list[Any], values: dict[int, keras.KerasTensor]) -> list[str]:
    """Returns which tensors have other shapes, or dtypes."""
    return [
        f"'{call.operation.name}' computes {new}, not {old}"
        for call in calls
        for tensor in call.outputs
        for old, new in (
            (tensor.shape, values[id(tensor)].shape),
            (tensor.dtype, values[id(tensor)].dtype),
        )
        if old != new
    ]
