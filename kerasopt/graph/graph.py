"""A functional model as calls and edges, with nested models expanded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
from keras import tree

from kerasopt.graph.node import Edge, Node
from kerasopt.keras_internals.graphs import (
    Functional,
    call_of,
    calls_in_order,
    functional_in,
    producer,
    standardized_inputs,
)


def functional_of(operation: Any) -> Functional | None:
    """Returns the functional model whose graph `operation` runs, or `None`.

    `Functional` models and built `Sequential` models run a recorded graph. Subclassed models,
    functional subclasses with a custom `call` and composite layers do not.
    """
    if isinstance(operation, keras.Sequential) and type(operation).call is keras.Sequential.call:
        return functional_in(operation)
    if isinstance(operation, Functional) and type(operation).call is Functional.call:
        return operation
    return None


class Graph:
    """The calls of a model in topological order, with nested models expanded.

    Functional and Sequential models that are called inside the model are replaced by their own
    calls. Anything else with inner layers (a subclassed model, a custom layer,
    `MultiHeadAttention`, `RNN`) is one node, since its inner edges are unknown. For its inner
    layers, see `kerasopt.graph.layers`. A subclassed model has no recorded graph, so no nodes.

    ```python
    inputs = keras.Input((8,))
    outputs = keras.layers.Dense(4, name="dense")(inputs)
    graph = Graph.of(keras.Model(inputs, outputs))
    [node.path for node in graph]  # ["keras_tensor", "dense"]: the input and the layer
    ```

    Attributes:
        nodes: List of `Node`, each after the nodes it receives tensors from.
        inputs: Tuple of `Edge`, one per input of the model, in flat order.
        outputs: Tuple of `Edge`, one per output of the model, in flat order.
    """

    def __init__(
        self, nodes: list[Node], inputs: tuple[Edge, ...] = (), outputs: tuple[Edge, ...] = ()
    ):
        self.nodes = nodes
        self.inputs = inputs
        self.outputs = outputs
        for node in nodes:
            for edge in node.inputs:
                edge.source.consumers.append(node)
        for edge in outputs:
            edge.source.is_output = True

    @classmethod
    def of(cls, model: keras.Model) -> Graph:
        """Reads the graph of a built model.

        Args:
            model: A `keras.Model`.

        Returns:
            The `Graph`, without nodes if the model has no recorded graph.

        Raises:
            TypeError: If `model` is not a Keras model.
            ValueError: If `model` is a `Sequential` model that has not been built.
        """
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"`model` must be a `keras.Model`. Received: model={model} (of type "
                f"{type(model).__name__})"
            )
        if isinstance(model, keras.Sequential) and not model.built:
            raise ValueError(
                "`model` must be built, which connects its layers. Add a `keras.Input` as its "
                f"first layer, or call `model.build(input_shape)`. Received: model={model.name}"
            )
        functional = functional_of(model)
        if functional is None:
            return cls([])
        nodes: list[Node] = []
        outputs = _expand(functional, None, "", nodes)
        by_tensor = {id(node.outputs[0].tensor): node for node in nodes if node.is_input}
        inputs = tuple(Edge(by_tensor[id(tensor)]) for tensor in functional.inputs)
        return cls(nodes, inputs, tuple(outputs))

    def feed(self, data: Any) -> dict[Edge, Any]:
        """Returns the tensors of the inputs when the model is called on data.

        Args:
            data: Inputs for the model's `call`.
        """
        functional = self.inputs[0].source.owner
        return dict(zip(self.inputs, standardized_inputs(functional, data), strict=True))

    def calls(self, operation: keras.Operation) -> list[Node]:
        """Returns the nodes that call `operation`, in topological order."""
        return [node for node in self.nodes if node.operation is operation]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)


def _expand(
    functional: Functional, inputs: list[Edge] | None, prefix: str, nodes: list[Node]
) -> list[Edge]:
    """Appends the calls of `functional` to `nodes` and returns the edges of its outputs.

    `inputs` are the edges that a call of a nested model receives; `None` for the model itself.
    """
    edges: dict[int, Edge] = {}
    for declared, edge in zip(functional.inputs, inputs or (), strict=inputs is not None):
        edges[id(declared)] = _as_declared(declared, edge, prefix, functional, nodes)
    for keras_node in calls_in_order(functional):
        operation = keras_node.operation
        if all(id(x) in edges for x in keras_node.outputs):
            continue  # an input of a nested model: its edge comes from outside
        received = [edges[id(x)] for x in keras_node.input_tensors]
        path = prefix + operation.name
        nested = functional_of(operation)
        if nested is not None:
            order = _argument_order(nested, keras_node)
            results = _expand(nested, [received[i] for i in order], path + "/", nodes)
        else:
            node = Node(operation, path, keras_node, functional, tuple(received))
            nodes.append(node)
            results = list(node.outputs)
        edges.update({id(x): edge for x, edge in zip(keras_node.outputs, results, strict=True)})
    return [edges[id(x)] for x in functional.outputs]


def _as_declared(
    declared: keras.KerasTensor, edge: Edge, prefix: str, functional: Functional, nodes: list[Node]
) -> Edge:
    """Appends the conversions of a tensor that enters a nested model, and returns the edge.

    Keras converts it to the dtype and rank of the model's input. Casts between floats are ignored,
    since users of the graph compute in float32.
    """
    given = edge.tensor
    tensor = keras.KerasTensor(given.shape, given.dtype)
    are_floats = all(map(keras.backend.is_float_dtype, (given.dtype, declared.dtype)))
    missing = len(declared.shape) - len(given.shape)
    steps: list[tuple[bool, str, Any]] = [
        (given.dtype != declared.dtype and not are_floats, "cast", declared.dtype),
        (missing == 1, "expand_dims", -1),
        (missing == -1, "squeeze", -1),
    ]
    for is_due, name, argument in steps:
        if is_due:
            tensor = getattr(keras.ops, name)(tensor, argument)
            path = f"{prefix}{declared.name}_{name}"
            nodes.append(Node(producer(tensor), path, call_of(tensor), functional, (edge,)))
            edge = Edge(nodes[-1])
    return edge


def _argument_order(nested: Functional, keras_node: Any) -> list[int]:
    """Returns, for each input of `nested`, the position of its tensor in the call.

    Keras accepts a dictionary for a model with a list of inputs, and matches by name.
    """
    position = {id(x): i for i, x in enumerate(keras_node.input_tensors)}
    arguments = keras_node.arguments
    argument = arguments.args[0] if arguments.args else arguments.kwargs["inputs"]
    if isinstance(argument, dict) and not isinstance(nested.input, dict):
        flat = [argument[x.name] for x in nested.inputs]
    else:
        flat = tree.flatten(argument)
    return [position[id(x)] for x in flat]
