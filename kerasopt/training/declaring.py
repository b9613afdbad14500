"""Layers that declare their compression."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from kerasopt import graph
from kerasopt.training.technique import techniques


class Declaring:
    """Base class of layers that declare their compression."""

    @property
    def declarations(self) -> dict[str, Any]:
        """The declared arguments, resolved."""
        names = [name for technique in techniques() for name in technique.arguments]
        declared = {name: getattr(self, name, None) for name in names}
        return {name: value for name, value in declared.items() if value is not None}

    def parts(self) -> list[tuple[str, keras.Layer]]:
        """Returns (path prefix, layer) for all parts with weights to compress.

        These are the layer itself, or its cell or projections.
        """
        inner = [(f"{path}/", layer) for path, layer in graph.layers(self)]
        return [part for part in [("", self), *inner] if graph.weight_names(part[1])]


class DeclaringPart(NamedTuple):
    """A part of a layer that declares compression, with its path in the model."""

    path: str
    layer: Declaring
    part: keras.Layer


def declaring_parts(model: keras.Model, whole: bool = False) -> Iterator[DeclaringPart]:
    """Yields the trainable parts of layers that declare compression.

    Args:
        model: The model.
        whole: Boolean, whether a layer that consists of parts is yielded as well.
    """
    frozen = graph.frozen_layers(model)
    for path, layer in graph.layers(model):
        if isinstance(layer, Declaring):
            parts = layer.parts()
            if all(id(part) in frozen for _, part in parts):
                continue
            for below, part in {**dict(parts), **({"": layer} if whole else {})}.items():
                yield DeclaringPart(f"{path}/{below}".rstrip("/"), layer, part)
