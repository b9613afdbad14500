"""The symbolic tensors on which a subclassed model is recorded."""

from __future__ import annotations

import inspect
from collections.abc import Set
from typing import Any, NamedTuple

import keras

from kerasopt.graph.traversal import is_channels_first
from kerasopt.keras_internals.graphs import Functional


class Symbols(NamedTuple):
    """The symbolic arguments of a call of a model.

    Attributes:
        args: Tuple, the positional arguments.
        kwargs: Dict, the keyword arguments.
        inputs: All of them as for `keras.Model` and `predict`: a list if there are several.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: Any


def symbols(model: keras.Model, free: bool = False) -> Symbols:
    """Returns symbolic arguments for a model that was built by a call or by `build`.

    Args:
        model: A built `keras.Model`.
        free: Boolean, whether the sizes of images and sequences (all axes but the batch and the
            channels) are unknown. The batch size always is.

    Raises:
        ValueError: If the shapes of its inputs are unknown.
    """
    if isinstance(model, Functional):
        inputs = keras.tree.map_structure(
            lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name), model.input
        )
        return Symbols((inputs,), {}, inputs)
    config = model.get_build_config() or {}
    known = config.get("shapes_dict") or {"": config.get("input_shape")}
    if not all(known.values()):
        raise ValueError("the shapes of its inputs are unknown: call it on data.")
    channels = _channel_axis(model)

    def made(shape: Any, name: str | None) -> Any:
        if isinstance(shape, dict):
            return {key: made(each, key) for key, each in shape.items()}
        if not all(isinstance(size, int | None) for size in shape):
            return [made(each, None) for each in shape]
        # Exported files do not support volumes and videos of unknown sizes.
        opens = free and len(shape) in (3, 4)
        kept = {channels % len(shape)} if opens else set(range(len(shape)))
        sizes = [size if axis in kept else None for axis, size in enumerate(shape)]
        return keras.Input(batch_shape=(None, *sizes[1:]), dtype=model.input_dtype, name=name)

    arguments = {
        name.removesuffix("_shape"): made(each, name.removesuffix("_shape") or None)
        for name, each in known.items()
    }
    if "" in arguments:
        found = Symbols((arguments[""],), {}, arguments[""])
    else:
        found = Symbols((), arguments, list(arguments.values()))
    _require_all_arguments(model, found)
    return found


def of_tokens(given: Symbols, tokens: Set[int], opened: Set[int]) -> Symbols:
    """Returns symbolic arguments of which some are sequences of any length.

    Args:
        given: Symbolic arguments.
        tokens: Which of the inputs, in flat order, are of integers.
        opened: Which are sequences, if they are matrices.
    """
    flat = keras.tree.flatten(given.inputs)
    new = {}
    for place, tensor in enumerate(flat):
        is_sequence = place in opened and len(tensor.shape) == 2
        shape = (None, None) if is_sequence else tensor.shape
        dtype = "int32" if place in tokens else tensor.dtype
        new[id(tensor)] = keras.Input(batch_shape=shape, dtype=dtype, name=tensor.name)
    return Symbols(*keras.tree.map_structure(lambda tensor: new[id(tensor)], tuple(given)))


def _require_all_arguments(model: keras.Model, symbols: Symbols) -> None:
    try:
        inspect.signature(model.call).bind(*symbols.args, **symbols.kwargs)
    except TypeError:
        raise ValueError(
            "its `call` has several arguments, and Keras keeps only the shape of the first one. "
            "Pass them as one list or dictionary."
        ) from None


def _channel_axis(model: keras.Model) -> int:
    return 1 if is_channels_first(model) else -1
