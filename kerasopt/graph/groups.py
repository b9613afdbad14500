"""Groups of calls that one integer kernel computes: the units of quantization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras

from kerasopt.graph.elementwise import is_elementwise, is_product
from kerasopt.graph.graph import Graph
from kerasopt.graph.matrix_products import matrix_product, scaling
from kerasopt.graph.node import Edge, Node
from kerasopt.graph.operations import (
    clamp_bounds,
    has_kernel,
    is_linear,
    is_residual,
    normalizes_channels,
    passes_on,
)
from kerasopt.graph.weight_products import weight_product


@dataclass(frozen=True, eq=False)
class Group:
    """A chain of calls that is computed as one, without other readers in between.

    A layer with a kernel, a batch normalization directly after it and a ReLU after that are a
    group; so are an addition, a product or a batch normalization with the ReLU after it, a
    product of matrices with the number that it is multiplied with, and consecutive elementwise
    functions. Every other call is its own group.

    Attributes:
        nodes: Tuple of `Node`, in the order in which they run.
        transparent: Whether the group's output keeps the scale of its input (reshaping, max
            pooling, padding, dropout), so that it needs no quantizer.
    """

    nodes: tuple[Node, ...]
    transparent: bool = False

    @property
    def anchor(self) -> Node:
        """The first node: the one with the kernel, or the addition."""
        return self.nodes[0]

    @property
    def output(self) -> Node:
        """The last node, after which the group's output is quantized."""
        return self.nodes[-1]

    @property
    def inputs(self) -> tuple[Edge, ...]:
        """The edges into the group."""
        return self.anchor.inputs

    @property
    def batch_normalization(self) -> Node | None:
        """The batch normalization to fold into the kernel, if there is one."""
        for node in self.nodes[1:]:
            if isinstance(node.operation, keras.layers.BatchNormalization):
                return node
        return None

    @property
    def activation(self) -> Node | None:
        """The node of the ReLU at the end of the group, if it has its own node."""
        last = self.output
        return last if last is not self.anchor and clamp_bounds(last.operation) else None

    def __repr__(self) -> str:
        return f"<Group {' -> '.join(node.path for node in self.nodes)}>"


class Groups:
    """A graph divided into groups.

    ```python
    groups = Groups(Graph.of(model))
    for group in groups:
        if not group.transparent:
            print(group.output.path, [groups.origin(edge) for edge in group.inputs])
    ```

    A layer that is called several times is grouped with its successor only if the same one follows
    every call, since a quantizer belongs to the layer.

    Args:
        graph: The `Graph` to divide.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self._groups: list[Group] = []
        self._of: dict[int, Group] = {}
        chains = _Chains(graph)
        for node in graph:
            if id(node) in self._of:
                continue
            group = Group(chains.starting_at(node), passes_on(node))
            self._groups.append(group)
            self._of.update({id(member): group for member in group.nodes})

    def of(self, node: Node) -> Group:
        """Returns the group that contains `node`."""
        return self._of[id(node)]

    def origin(self, edge: Edge) -> Group:
        """Returns the group that determines the scale of an edge.

        This is the group that produces the tensor or, if that is transparent, the group before it,
        and so on. If `origin(edge).anchor.is_input`, the tensor comes directly from an input of the
        model, and must be quantized before it is read as integers.
        """
        group = self.of(edge.source)
        while group.transparent:
            group = self.of(group.inputs[0].source)
        return group

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


class _Chains:
    """Finds the chain of calls that starts at a node."""

    def __init__(self, graph: Graph):
        self.calls: dict[int, list[Node]] = {}
        for node in graph:
            self.calls.setdefault(id(node.operation), []).append(node)

    def starting_at(self, node: Node) -> tuple[Node, ...]:
        chain, operation = [node], node.operation
        follower = self._follower(node)
        if is_elementwise(node):
            while follower and is_elementwise(follower):
                chain.append(follower)
                follower = self._follower(follower)
            return tuple(chain)
        if matrix_product(node) is not None:
            return (node, follower) if follower and scaling(follower) else (node,)
        if has_kernel(operation):
            if not is_linear(operation):
                return (node,)
            if follower and normalizes_channels(follower.operation, node):
                chain.append(follower)
                follower = self._follower(follower)
        elif not (
            weight_product(node) is not None
            or is_residual(operation, len(node.inputs))
            or is_product(operation, len(node.inputs))
            or isinstance(operation, keras.layers.BatchNormalization)
        ):
            return (node,)
        if follower and clamp_bounds(follower.operation):
            chain.append(follower)
        return tuple(chain)

    def _follower(self, node: Node) -> Node | None:
        """Returns the only reader of `node`, if it is the same at all calls of both."""
        follower = _only_reader(node)
        if follower is None:
            return None
        producers, readers = self.calls[id(node.operation)], self.calls[id(follower.operation)]
        paired = [_only_reader(call) for call in producers]
        if len(producers) == len(readers) and all(
            any(pair is call for pair in paired) for call in readers
        ):
            return follower
        return None


def _only_reader(node: Node) -> Node | None:
    if node.is_output or len(node.consumers) != 1 or len(node.consumers[0].inputs) != 1:
        return None
    return node.consumers[0]
