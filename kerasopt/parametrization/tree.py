"""Finding inner layers: from a model to each layer, and back by a path."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
from keras.src.models.functional import Functional, functional_like_constructor

from kerasopt.parametrization.chain import Chain

# Attributes of Keras and TensorFlow that hold the same layers under other names.
_BOOKKEEPING = ("_layers", "_functional", "_operations", "_self_unconditional_dependency_names")


class Place(NamedTuple):
    """Where a layer stands.

    Attributes:
        owner: The outermost layer or model that is not rebuilt from the configs
            of its layers: its own code re-creates them, so its file has to say
            what is parametrized inside. The layer itself where there is none.
        path: String, dotted path from `owner` to the layer, `""` if the same.
        layer: The layer.
    """

    owner: keras.layers.Layer
    path: str
    layer: keras.layers.Layer

    def slot(self, name: str) -> str:
        """Returns the dotted path of a weight of the layer, seen from the owner."""
        return f"{self.path}.{name}" if self.path else name


def places(model: keras.layers.Layer) -> Iterator[Place]:
    """Yields the place of every layer of `model`, itself included, once each."""
    yield from _visit(model, None, "", set())


def _visit(layer, owner, path, seen):
    if id(layer) in seen:
        return
    seen.add(id(layer))
    if owner is None and _rebuilds_from_configs(layer):
        for inner in layer.layers:
            yield from _visit(inner, None, "", seen)
        return
    owner = owner or layer
    yield Place(owner, path, layer)
    for name, inner in _children(layer):
        yield from _visit(inner, owner, f"{path}.{name}" if path else name, seen)


def _rebuilds_from_configs(layer) -> bool:
    if isinstance(layer, keras.Sequential):
        return True
    return isinstance(layer, Functional) and functional_like_constructor(type(layer))


def _children(layer):
    """Yields (name, layer) of the layers that `layer` holds, in a stable order."""
    if isinstance(layer, (Functional, keras.Sequential)):
        yield from _members("layers", layer.layers)
    for name, value in list(vars(layer).items()):
        if name not in _BOOKKEEPING and not isinstance(value, Chain):
            yield from _members(name, value)


def _members(name, value):
    if isinstance(value, keras.layers.Layer):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for index, member in enumerate(value):
            yield from _members(f"{name}.{index}", member)
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(key, str) and "." not in key:
                yield from _members(f"{name}.{key}", member)


def descend(layer: keras.layers.Layer, path: str) -> tuple[keras.layers.Layer, str]:
    """Returns the inner layer and the slot that a dotted path leads to.

    Args:
        layer: Where the path begins.
        path: String such as `"kernel"`, `"cell.kernel"` or
            `"blocks.0.dense.kernel"`.

    Raises:
        ValueError: If the path leads nowhere.
    """
    *steps, slot = path.split(".")
    inner = layer
    for step in steps:
        try:
            if isinstance(inner, (list, tuple)):
                inner = inner[int(step)]
            else:
                inner = inner[step] if isinstance(inner, dict) else getattr(inner, step)
        except (AttributeError, IndexError, KeyError, ValueError):
            raise ValueError(
                f"Layer '{layer.name}' has nothing at '{step}' of the path of this weight. "
                f"Received: weight='{path}'"
            ) from None
    return inner, slot
