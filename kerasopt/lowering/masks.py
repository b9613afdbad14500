"""The masks of Keras, as tensors of the new model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from kerasopt.graph import Edge, Node, OperationLayer, own_class
from kerasopt.keras_internals.calls import computed_mask


class Masks:
    """What Keras passes from layer to layer beside the tensors, and fills into calls by itself.

    A mask hangs on a tensor as an attribute: layers of integers, and files, would lose it. Here it
    is a tensor of the graph, an argument of the calls that read it.

    Args:
        read: Returns the tensor of the new model, in float32, that stands for an edge.
    """

    def __init__(self, read: Callable[[Edge], keras.KerasTensor]):
        self._read = read
        # Masks that are tensors of the source themselves.
        self.given: dict[Edge, Edge] = {}
        self._masks: dict[Edge, Any] = {}

    def of(self, edge: Edge) -> keras.KerasTensor | None:
        """Returns the mask of an edge of the source, or `None`."""
        if edge in self.given:
            return self._read(self.given[edge])
        return self._masks.get(edge)

    def follow(self, node: Node) -> None:
        """Finds the masks of the outputs of a call, after those of its inputs."""
        layer: Any = node.operation
        drops = not isinstance(layer, keras.Layer) or isinstance(layer, OperationLayer)
        if drops or not layer.supports_masking or not node.inputs:
            return
        mask = node.arguments.get("mask")
        first = next(iter(node.arguments.values()))
        mask = self._of_structure(node, first) if mask is None else self._tensors(node, mask)
        cls: Any = own_class(layer)
        if cls.compute_mask is not keras.Layer.compute_mask:
            mask = computed_mask(layer, node.arguments, self._tensors(node, first), mask)
        found = [None] if mask is None else keras.tree.flatten(mask)
        self._masks.update(zip(node.outputs, found, strict=False))

    def arguments(self, node: Node) -> dict[str, Any]:
        """Returns the masks that Keras fills into a call, by the names of the arguments."""
        layer: Any = node.operation
        # In inference a batch normalization does not look at it.
        if not isinstance(layer, keras.Layer) or isinstance(layer, keras.layers.BatchNormalization):
            return {}
        parameters = layer.call_signature_parameters
        given = node.arguments
        tensors = {name: value for name, value in given.items() if _has_tensors(value)}
        names = {
            f"{name}_mask" if len(tensors) > 1 else "mask": value for name, value in tensors.items()
        }
        filled = {
            name: self._of_structure(node, value)
            for name, value in names.items()
            if name in parameters and given.get(name) is None
        }
        return {name: mask for name, mask in filled.items() if _any(mask)}

    def attention(self, node: Node) -> keras.KerasTensor | None:
        """Returns which positions the queries of an attention see, but for what it finds itself.

        Of shape `(batch, queries, keys)`, or one that broadcasts to it.
        """
        implicit = self.arguments(node)
        given = node.arguments.get("attention_mask")
        found = [] if given is None else [self._tensors(node, given)]
        # As Keras does, it takes no notice of a `query_mask` that was passed, only of the query's.
        implicit["query_mask"] = self._of_structure(node, node.arguments["query"])
        explicit = {name: self._tensors(node, mask) for name, mask in node.arguments.items()}
        for name, axis in {"query_mask": -1, "value_mask": -2, "key_mask": -2}.items():
            mask = implicit[name] if name in implicit else explicit.get(name)
            if mask is not None:
                found.append(keras.ops.expand_dims(mask, axis))
        booleans = [
            x if keras.backend.standardize_dtype(x.dtype) == "bool" else keras.ops.cast(x, "bool")
            for x in found
        ]
        return functools.reduce(keras.ops.logical_and, booleans) if booleans else None

    def _of_structure(self, node: Node, structure: Any) -> Any:
        """Returns the masks of the tensors of an argument, in its structure; `None` if none has."""
        edges = node.edges
        masks = keras.tree.map_structure(
            lambda x: self.of(edges[id(x)]) if id(x) in edges else None, structure
        )
        return masks if _any(masks) else None

    def _tensors(self, node: Node, structure: Any) -> Any:
        edges = node.edges
        return keras.tree.map_structure(
            lambda x: self._read(edges[id(x)]) if id(x) in edges else x, structure
        )


def _has_tensors(structure: Any) -> bool:
    flat = keras.tree.flatten(structure)
    return any(isinstance(x, keras.KerasTensor) or keras.ops.is_tensor(x) for x in flat)


def _any(masks: Any) -> bool:
    return any(mask is not None for mask in keras.tree.flatten(masks))
