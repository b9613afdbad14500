"""An integer model divided into what exporters write themselves and what converters write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kerasopt.graph import Edge, Graph, Node
from kerasopt.inference import Affine, InferenceLayer
from kerasopt.inference.integer.boundaries import Quantize


class ShapeMismatch(ValueError):
    """Raised for a call that computes another shape than Keras knows of it."""


def rounded_to(node: Node) -> Affine | None:
    """Returns the one scale that all that reads a float tensor rounds it to, or `None`."""
    readers = [each.operation for each in node.consumers]
    affines = {each.output_affine for each in readers if isinstance(each, Quantize)}
    is_rounded = all(isinstance(each, Quantize) for each in readers) and len(affines) == 1
    return affines.pop() if is_rounded else None


@dataclass(frozen=True)
class Part:
    """Calls of a model that are written at once.

    Attributes:
        nodes: Tuple of `Node`, in the order in which they run: one inference layer, one call that
            moves int8 values, or all the float calls that can run together.
        affine: `Affine` of the int8 values that the part writes; `None`: float32.
    """

    nodes: tuple[Node, ...]
    affine: Affine | None = None

    @property
    def layer(self) -> InferenceLayer | None:
        """The inference layer that the part is, if it is one."""
        layer = self.nodes[0].operation
        return layer if isinstance(layer, InferenceLayer) else None

    @property
    def inputs(self) -> list[Edge]:
        """The tensors from outside that the part reads, each once."""
        own = set(self.nodes)
        read = [edge for node in self.nodes for edge in node.inputs]
        return list(dict.fromkeys(edge for edge in read if edge.source not in own))

    @property
    def outputs(self) -> list[Edge]:
        """The tensors that something outside of the part reads, each once."""
        own = set(self.nodes)
        return [
            edge
            for node in self.nodes
            if node.is_output or not own.issuperset(node.consumers)
            for edge in node.outputs
        ]

    def function(self) -> Callable[..., list[Any]]:
        """Returns what computes the outputs from the values of the inputs, in this order."""
        from kerasopt.exporters.stand_ins import call_of

        inputs, outputs = self.inputs, self.outputs

        def run(*values: Any) -> list[Any]:
            known = dict(zip(inputs, values, strict=True))
            for node in self.nodes:
                read = [known[edge] for edge in node.inputs]
                results = node.call(read, call_of(node.operation))
                known.update(zip(node.outputs, results, strict=True))
            for edge in outputs:
                _require_declared(edge, known[edge])
            return [known[edge] for edge in outputs]

        return run


def _require_declared(edge: Edge, value: Any) -> None:
    declared, path = edge.tensor.shape, edge.source.path
    if value is None:
        raise ShapeMismatch(
            f"'{path}' declares an output of the shape {declared}, but returns None in its place. "
            "Mend its `compute_output_shape`, or export with format='tf_saved_model'."
        )
    dtypes = value.dtype.name, edge.tensor.dtype
    if dtypes[0] != dtypes[1] and "bool" in dtypes:
        raise ShapeMismatch(
            f"'{path}' has the dtype {dtypes[1]!r} in the model, but computes {dtypes[0]!r}. Mend "
            "its `compute_output_spec`, or export with format='tf_saved_model'."
        )
    if not value.shape.is_compatible_with(declared):
        raise ShapeMismatch(
            f"'{path}' has the shape {declared} in the model, but computes {tuple(value.shape)}: a "
            "layer before it, or itself, computes another shape in inference than it says "
            "(`RandomCrop` returns images unchanged), which layers after it do not take. Build the "
            "model that you export without it, or on inputs of the size that it says."
        )


class Parts:
    """The parts of an integer model, each after those that it reads from.

    Args:
        graph: The `Graph` of the model.
        alone: Says of a float call whether it is a part of its own.

    Attributes:
        affines: Dict of an `Edge` to the `Affine` of its int8 values, or `None`.
    """

    def __init__(self, graph: Graph, alone: Callable[[Node], bool] = lambda node: False):
        self.graph = graph
        self._alone = alone
        self.affines: dict[Edge, Affine | None] = {}
        self._levels: dict[int, int] = {}
        for node in graph:
            self.affines |= dict.fromkeys(node.outputs, self._output_affine(node))
            self._levels[id(node)] = self._level(node)

    def __iter__(self) -> Iterator[Part]:
        nodes = [node for node in self.graph if not node.is_input]
        for level in range(max(self._levels.values(), default=0) + 1):
            here = [node for node in nodes if self._levels[id(node)] == level]
            for node in here:
                if self._kind(node) != "float":
                    yield Part((node,), self.affines[Edge(node)])
            floats = tuple(node for node in here if self._kind(node) == "float")
            if floats:
                yield Part(floats)

    def _output_affine(self, node: Node) -> Affine | None:
        if isinstance(node.operation, InferenceLayer):
            return getattr(node.operation, "output_affine", None)
        found = [self.affines[edge] for edge in node.inputs]
        return found[0] if found else None

    def _kind(self, node: Node) -> str:
        if isinstance(node.operation, InferenceLayer) or self.affines[Edge(node)] is not None:
            return "own"
        return "alone" if self._alone(node) else "float"

    def _level(self, node: Node) -> int:
        """Returns a number that grows wherever float calls read others, or the other way."""
        kind = self._kind(node)
        return max(
            (
                self._levels[id(edge.source)]
                + (not edge.source.is_input and self._kind(edge.source) != kind)
                for edge in node.inputs
            ),
            default=0,
        )
