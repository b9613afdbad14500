"""What a layer that is not opened returns, on symbolic tensors of known sizes."""

from __future__ import annotations

import contextlib
from typing import Any

import keras

from kerasopt.graph.opening.reasons import REFUSALS
from kerasopt.graph.opening.sizes import as_integer
from kerasopt.graph.opening.unification import sizes_compared
from kerasopt.graph.parametrized import own_class
from kerasopt.keras_internals.calls import (
    bound_arguments,
    computed_mask,
    fill_masks,
    set_mask,
    set_masks_of_outputs,
)
from kerasopt.keras_internals.interception import (
    any_symbolic_tensors,
    compute_output_spec,
    set_shape,
)
from kerasopt.keras_internals.layers import awaits_weights, flattened

_DECLARATIONS = {"compute_output_shape", "compute_output_spec"}


def outputs_of_leaf(
    layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any, compares: bool = True
) -> Any:
    """Returns the symbolic outputs of a call.

    Args:
        layer: The layer.
        args: The positional arguments of its call.
        kwargs: The keyword arguments.
        own: Function that calls a layer as Keras does.
        compares: Boolean, whether sizes that have to be equal are looked for, which takes time.
    """
    if not any_symbolic_tensors(args, kwargs):
        # It reads constants: weights, or positions.
        return keras.tree.map_structure(
            lambda x: keras.KerasTensor(x.shape, x.dtype), own(layer, *args, **kwargs)
        )
    if any(map(awaits_weights, flattened(layer))):
        outputs = own(layer, *args, **kwargs)  # running its code would build it
    else:
        compared = sizes_compared(_without_name(layer.call), args, kwargs)
        with compared if compares else contextlib.nullcontext():
            outputs = _outputs(layer, args, kwargs, own)
    if isinstance(layer, keras.layers.ReversibleEmbedding):
        arguments = bound_arguments(layer, args, kwargs).arguments
        set_mask(outputs, computed_mask(layer, arguments, arguments["inputs"], None))
    return outputs


def _outputs(layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any) -> Any:
    if declares_outputs(own_class(layer)):
        try:
            outputs = own(layer, *args, **kwargs)
            _complete_shapes(layer, args, kwargs, outputs)
            return outputs
        except REFUSALS as error:
            refusal = error
    else:
        refusal = None
    try:
        return computed_outputs(layer, args, kwargs, own)
    except REFUSALS as error:
        raise refusal or error from None


def declares_outputs(cls: type) -> bool:
    """Whether what a class says of its outputs is meant for its own `call`.

    A class that computes something else than the one it inherits from, and leaves that one's
    `compute_output_shape` as it is, goes unnoticed in Keras as long as other layers call it.
    """
    calls = next(each for each in cls.__mro__ if "call" in vars(each))
    declares = next(each for each in cls.__mro__ if vars(each).keys() & _DECLARATIONS)
    is_known = calls.__module__.startswith(("keras.", "kerasopt."))
    return is_known or issubclass(declares, calls) or declares is keras.Layer


def computed_outputs(
    layer: keras.Layer, args: tuple, kwargs: dict[str, Any], own: Any = keras.Layer.__call__
) -> Any:
    """Returns what a layer returns, by running its code on tensors of the backend."""
    given = bound_arguments(layer, args, kwargs).arguments
    filled = dict(given)
    fill_masks(layer, filled)
    kwargs = {**kwargs, **{name: x for name, x in filled.items() if name not in given}}
    outputs = compute_output_spec(lambda *a, **k: own(layer, *a, **k), *args, **kwargs)
    set_masks_of_outputs(layer, next(iter(given.values())), outputs, filled.get("mask"))
    return outputs


def _complete_shapes(layer: Any, args: tuple, kwargs: dict[str, Any], outputs: Any) -> None:
    """Finds the sizes that the layer itself does not know (EinsumDense, of sequences)."""
    flat = keras.tree.flatten(outputs)
    if not any(None in x.shape for x in flat):
        return
    found = compute_output_spec(_without_name(layer.call), *args, **kwargs)
    for tensor, known in zip(flat, keras.tree.flatten(found), strict=True):
        set_shape(tensor, tuple(map(as_integer, known.shape)))


def _without_name(call: Any) -> Any:
    return lambda *args, **kwargs: call(*args, **kwargs)
