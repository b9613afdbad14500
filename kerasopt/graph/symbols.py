"""The symbolic tensors on which a subclassed model is recorded."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt.graph.traversal import layers
from kerasopt.keras_internals.graphs import Functional

Shape = tuple[int | None, ...]


class Symbols(NamedTuple):
    """The symbolic arguments of a call of a model.

    Attributes:
        args: Tuple, the positional arguments.
        kwargs: Dict, the keyword arguments.
        inputs: All of them as for `keras.Model` and `predict`: a list if there are several.
        shapes: Tuple of the shapes that the model has been called on, in flat order.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: Any
    shapes: tuple[Shape, ...]


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
        return Symbols((inputs,), {}, inputs, tuple(x.shape for x in model.inputs))
    config = model.get_build_config() or {}
    known = config.get("shapes_dict") or {"": config.get("input_shape")}
    if not all(known.values()):
        raise ValueError("the shapes of its inputs are unknown: call it on data.")
    shapes: list[Shape] = []
    channels = _channel_axis(model)

    def made(shape: Any, name: str | None) -> Any:
        if isinstance(shape, dict):
            return {key: made(each, key) for key, each in shape.items()}
        if not all(isinstance(size, int | None) for size in shape):
            return [made(each, None) for each in shape]
        shapes.append(tuple(shape))
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
        found = Symbols((arguments[""],), {}, arguments[""], tuple(shapes))
    else:
        found = Symbols((), arguments, list(arguments.values()), tuple(shapes))
    _require_all_arguments(model, found)
    return found


def computes_the_same(model: keras.Model, symbols: Symbols, recorded: keras.Model) -> bool:
    """Whether a recorded model computes the same as the model, on two examples."""
    rng = np.random.default_rng(0)
    sizes = [[1 if size is None else size for size in shape[1:]] for shape in symbols.shapes]
    flat = [keras.ops.cast(rng.uniform(size=(2, *each)), model.input_dtype) for each in sizes]

    def filled(structure: Any) -> Any:
        tensors = iter(flat)
        return keras.tree.map_structure(lambda _: next(tensors), structure)

    expected = model(*filled(symbols.args), **filled(symbols.kwargs), training=False)
    found = recorded(filled(symbols.inputs), training=False)
    return all(
        np.allclose(one, other, rtol=1e-3, atol=1e-5)
        for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True)
    )


def _require_all_arguments(model: keras.Model, symbols: Symbols) -> None:
    try:
        inspect.signature(model.call).bind(*symbols.args, **symbols.kwargs)
    except TypeError:
        raise ValueError(
            "its `call` has several arguments, and Keras keeps only the shape of the first one. "
            "Pass them as one list or dictionary."
        ) from None


def _channel_axis(model: keras.Model) -> int:
    formats = {getattr(layer, "data_format", None) for _, layer in layers(model)}
    return 1 if "channels_first" in formats else -1
