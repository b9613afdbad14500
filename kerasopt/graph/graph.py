"""A functional model as calls and edges, with nested models and composite layers opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras

from kerasopt.graph.expansion import Expansion
from kerasopt.graph.functional import functional_of
from kerasopt.graph.node import Edge, Node
from kerasopt.graph.opening.call import Unrecordable
from kerasopt.graph.opening.reasons import FAULT
from kerasopt.keras_internals.calls import set_mask
from kerasopt.keras_internals.graphs import standardized_inputs
from kerasopt.warning import warn


class Graph:
    """The calls of a model in topological order, with nested models expanded.

    Functional and Sequential models that are called inside the model are replaced by their own
    calls. So are layers with inner layers, whose code is run on symbolic tensors: a residual
    block, the encoder of a transformer. What cannot be recorded (loops, values, functions of a
    backend), recurrent layers and a plain `MultiHeadAttention` are one node. For their inner
    layers, see `kerasopt.graph.layers`. A subclassed model is recorded, too; if that is impossible
    it has no nodes.

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
        closed: Dict of the path of each layer with inner layers that could not be recorded to the
            reason; `""` for the model.
        input: The symbolic inputs in the structure of the model's.
        output: The symbolic outputs in the structure of the model's.
        masks: Dict of the edge of a tensor to that of its mask, where an opened layer sets one.
    """

    def __init__(
        self,
        nodes: list[Node],
        inputs: tuple[Edge, ...] = (),
        outputs: tuple[Edge, ...] = (),
        closed: dict[str, str] | None = None,
        input: Any = None,
        output: Any = None,
        masks: dict[Edge, Edge] | None = None,
    ):
        self.masks = masks or {}
        self.nodes = nodes
        self.input = input
        self.output = output
        self.closed = closed or {}
        self.inputs = inputs
        self.outputs = outputs
        for node in nodes:
            for edge in node.inputs:
                edge.source.consumers.append(node)
        for edge in outputs:
            edge.source.is_output = True
        self._masked: dict[Node, list[tuple[Edge, Edge]]] = {}
        for pair in self.masks.items():
            for source in {edge.source for edge in pair}:
                self._masked.setdefault(source, []).append(pair)

    @classmethod
    def of(cls, model: keras.Model) -> Graph:
        """Reads the graph of a built model.

        Args:
            model: A `keras.Model`.

        Returns:
            The `Graph`, without nodes if the model cannot be recorded.

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
        expansion, functional = Expansion(), functional_of(model)
        if functional is not None:
            given, returned = functional.input, functional.output
            outputs = expansion.of_functional(functional, None, "")
        else:
            try:
                given, returned, outputs = expansion.of_code(model)
            except Unrecordable as error:
                return cls([], closed=_reported({"": str(error)}))
        nodes = expansion.nodes
        by_tensor = {id(node.outputs[0].tensor): node for node in nodes if node.is_input}
        inputs = tuple(Edge(by_tensor[id(tensor)]) for tensor in keras.tree.flatten(given))
        return cls(
            nodes,
            inputs,
            tuple(outputs),
            _reported(expansion.closed),
            given,
            returned,
            expansion.masks,
        )

    def feed(self, data: Any) -> dict[Edge, Any]:
        """Returns the tensors of the inputs when the model is called on data.

        Args:
            data: Inputs for the model's `call`.
        """
        functional = functional_of(self.inputs[0].source.owner)
        if functional is not None:
            flat = standardized_inputs(functional, data)
        else:
            flat = [keras.ops.convert_to_tensor(x) for x in keras.tree.flatten(data)]
        return dict(zip(self.inputs, flat, strict=True))

    def masked_by(self, node: Node) -> list[tuple[Edge, Edge]]:
        """Returns the tensors and their masks of which a call computes one or both."""
        return self._masked.get(node, [])

    def set_masks(self, node: Node, values: Mapping[Edge, Any]) -> None:
        """Gives tensors the masks that opened layers set, as soon as both are computed.

        Args:
            node: The `Node` that has just been computed.
            values: Dict of edges to tensors.
        """
        for edge, mask in self.masked_by(node):
            if edge in values and mask in values:
                set_mask(values[edge], values[mask])

    def packed(self, outputs: Iterable[Any]) -> Any:
        """Returns outputs in the structure of the model's, which may have `None` in it."""
        values = iter(outputs)
        return keras.tree.map_structure(lambda x: None if x is None else next(values), self.output)

    def calls(self, operation: keras.Operation) -> list[Node]:
        """Returns the nodes that call `operation`, in topological order."""
        return [node for node in self.nodes if node.operation is operation]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)


def _reported(closed: dict[str, str]) -> dict[str, str]:
    """Returns what could not be recorded; warns if that is a fault of this package."""
    for path, why in closed.items():
        if why.startswith(FAULT):
            warn(f"'{path or 'The model'}' stays one node of the graph: {why}.")
    return closed
