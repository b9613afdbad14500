"""Layers that declare their compression, whatever it is."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from kerasopt import graph


class Declaring:
    """Base of the layers that declare their compression."""

    @property
    def declarations(self) -> dict[str, Any]:
        """The arguments that were given, resolved."""
        raise NotImplementedError

    def parts(self) -> list[tuple[str, keras.Layer]]:
        """Returns (prefix of its paths, layer) of all that has weights to compress.

        Those are the layer itself, or the cell and the projections that it is made of.
        """
        inner = [(f"{path}/", layer) for path, layer in graph.layers(self)]
        return [part for part in [("", self), *inner] if graph.weight_names(part[1])]


class DeclaringPart(NamedTuple):
    """A part of a layer that declares compression, and where it is in the model."""

    path: str
    layer: Declaring
    part: keras.Layer


def declaring_parts(model: keras.Model, whole: bool = False) -> Iterator[DeclaringPart]:
    """Yields what declares compression and trains.

    Args:
        model: The model.
        whole: Boolean, whether a layer that is made of parts is yielded, too, beside them.
    """
    frozen = graph.frozen_layers(model)
    for path, layer in graph.layers(model):
        if isinstance(layer, Declaring):
            parts = layer.parts()
            if all(id(part) in frozen for _, part in parts):
                continue
            for below, part in {**dict(parts), **({"": layer} if whole else {})}.items():
                yield DeclaringPart(f"{path}/{below}".rstrip("/"), layer, part)
