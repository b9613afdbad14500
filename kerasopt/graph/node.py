"""Calls of layers and operations, and the edges between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import keras

from kerasopt.keras_internals.calls import bound_arguments, in_inference


@dataclass(frozen=True)
class Edge:
    """Output `index` of the call `source`, as another call receives it.

    Edges of the same tensor are equal, so they can be the keys of a dict of tensors.
    """

    source: Node
    index: int = 0

    @property
    def tensor(self) -> keras.KerasTensor:
        """The symbolic tensor, as the call returned it."""
        return self.source.keras_node.outputs[self.index]


@dataclass(eq=False)
class Node:
    """A call of a layer or operation in a functional model.

    A layer that is called twice has two nodes, and a nested model that is called twice has its
    inner nodes twice.

    Attributes:
        operation: The `keras.Layer` or `keras.Operation` that is called.
        path: Names from the model to the operation, joined by `/` (`"backbone/conv1"`), without the
            model's own name.
        keras_node: The Keras `Node` that recorded the call, or a `kerasopt.graph.opening.Call`
            inside a layer.
        owner: The functional model whose graph records the call, or the layer whose code calls.
        inputs: One `Edge` per tensor argument, in the order of the arguments. Edges pass
            through the borders of nested models.
        consumers: The nodes that receive an output of this one, once per edge.
        is_output: Whether an output of this node is an output of the whole model.
    """

    operation: keras.Operation
    path: str
    keras_node: Any
    owner: keras.Layer
    inputs: tuple[Edge, ...] = ()
    consumers: list[Node] = field(default_factory=list)
    is_output: bool = False

    @property
    def is_layer(self) -> bool:
        """Whether the operation is a `keras.Layer`, which can hold variables."""
        return isinstance(self.operation, keras.Layer)

    @property
    def is_input(self) -> bool:
        """Whether the node is an input of the model."""
        return isinstance(self.operation, keras.layers.InputLayer)

    @property
    def outputs(self) -> tuple[Edge, ...]:
        """One `Edge` per tensor that the operation returns, in flat order."""
        return tuple(Edge(self, index) for index in range(len(self.keras_node.outputs)))

    @property
    def arguments(self) -> dict[str, Any]:
        """The recorded arguments of the operation's `call`, by name."""
        given = self.keras_node.arguments
        return bound_arguments(self.operation, given.args, given.kwargs).arguments

    @property
    def edges(self) -> dict[int, Edge]:
        """Dict of the `id` of each recorded tensor argument to its edge."""
        return dict(zip(map(id, self.keras_node.input_tensors), self.inputs, strict=True))

    def call(
        self,
        tensors: Iterable[Any],
        operation: Callable[..., Any] | None = None,
        **arguments: Any,
    ) -> list[Any]:
        """Repeats the call on other tensors.

        Args:
            tensors: One tensor for each of `inputs`.
            operation: The callable. Defaults to the node's own operation, in inference mode.
            **arguments: Arguments that extend or replace the recorded ones.

        Returns:
            List of results, one for each of `outputs`.
        """
        known = zip(map(id, self.keras_node.input_tensors), tensors, strict=True)
        args, kwargs = self.keras_node.arguments.fill_in(dict(known))
        results = (operation or in_inference(self.operation))(*args, **{**kwargs, **arguments})
        return keras.tree.flatten(results)

    def __repr__(self) -> str:
        return f"<Node {self.path} ({type(self.operation).__name__})>"
