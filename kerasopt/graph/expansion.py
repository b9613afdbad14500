"""Replaces nested models and composite layers by their own calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import tree

from kerasopt.graph.functional import functional_of
from kerasopt.graph.inner_operation import inner_operation
from kerasopt.graph.node import Edge, Node
from kerasopt.graph.opening.call import Call, Recording, Unrecordable
from kerasopt.graph.opening.composite import is_composite, is_worth_it, may_be_opened
from kerasopt.graph.opening.models import recorded_model
from kerasopt.graph.opening.opening import record
from kerasopt.graph.opening.returned import Returned
from kerasopt.graph.parametrized import own_class
from kerasopt.keras_internals.calls import computed_mask, masks_set
from kerasopt.keras_internals.graphs import (
    Functional,
    call_of,
    calls_forgotten,
    calls_in_order,
    producer,
)


class Expansion:
    """The calls of a model.

    Attributes:
        nodes: List of `Node`, each after the nodes it receives tensors from.
        closed: Dict of the path of each layer that could not be opened to the reason.
        masks: Dict of the edge of a tensor to that of its mask, where it is not the symbolic tensor
            that has it: an opened layer has set it, or a layer in its `call`.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.closed: dict[str, str] = {}
        self.masks: dict[Edge, Edge] = {}
        # The ids of tensors that layers declare, and may not return.
        self._unsure: set[int] = set()
        self._returned = Returned()

    def of_functional(
        self, functional: Functional, inputs: Sequence[Edge] | None, prefix: str
    ) -> list[Edge]:
        """Adds the calls of a functional model, and returns the edges of its outputs.

        `inputs` are the edges that a call of a nested model receives; `None` for the model itself.
        """
        edges: dict[int, Edge] = {}
        for declared, edge in zip(functional.inputs, inputs or (), strict=inputs is not None):
            edges[id(declared)] = self._as_declared(declared, edge, prefix, functional)
        for call in calls_in_order(functional):
            if all(id(x) in edges for x in call.outputs):
                continue  # an input of a nested model: its edge comes from outside
            self._add(call, prefix + call.operation.name, functional, edges)
        return [edges[id(x)] for x in functional.outputs]

    def of_code(self, model: keras.Model) -> tuple[Any, Any, list[Edge]]:
        """Adds the calls of a model that its own code makes.

        Returns:
            The symbolic inputs and outputs in the structure of the model's, and the edges of the
            outputs in flat order.

        Raises:
            Unrecordable: If the model cannot be recorded.
        """
        given, recording = recorded_model(model)
        edges = [
            Edge(Node(producer(x), x.name, call_of(x), model)) for x in keras.tree.flatten(given)
        ]
        self.nodes += [edge.source for edge in edges]
        self.closed |= recording.closed
        return given, recording.result, self._of_recording(recording, edges, "")

    def _add(self, call: Any, path: str, owner: keras.Layer, edges: dict[int, Edge]) -> None:
        """Adds a call, or the calls that it consists of, and the edges of its outputs."""
        received = [edges[id(x)] for x in call.input_tensors]
        operation = call.operation
        nested = functional_of(operation)
        recording = None if nested is not None else self._recording(call, path, edges)
        if nested is not None:
            order = _argument_order(nested, call)
            results = self.of_functional(nested, [received[i] for i in order], path + "/")
        elif recording is not None:
            read = recording.masks_read
            masks = [self._edge_of_mask(x, path, owner, edges) for x in read]
            results = self._of_recording(recording, [*received, *masks], path + "/")
        else:
            node = Node(_called(call), path, call, owner, tuple(received))
            self.nodes.append(node)
            results = list(node.outputs)
            if not isinstance(call, Call):  # a recording has the masks already
                self._follow_masks(node, edges)
                self._returned.follow(call)
        edges.update({id(x): edge for x, edge in zip(call.outputs, results, strict=True)})

    def _recording(self, call: Any, path: str, edges: dict[int, Edge]) -> Recording | None:
        """Returns what a layer that is called computes, if it can be opened."""
        if not may_be_opened(call.operation):
            return None
        arguments = self._returned.arguments(call)
        tensors = zip(arguments.keras_tensors, call.input_tensors, strict=True)
        found = [(x, edges[id(y)]) for x, y in tensors if edges[id(y)] in self.masks]
        masks = [(x, self.masks[edge]) for x, edge in found]
        edges.update({id(mask.tensor): mask for _, mask in masks})
        try:
            with masks_set([(x, mask.tensor) for x, mask in masks]):
                recording = record(call.operation, arguments)
            if len(recording.outputs) != len(call.outputs):
                self._unsure.update(map(id, call.outputs))
                raise Unrecordable("it does not return as many tensors as it declares")
            if self._unsure.intersection(map(id, call.input_tensors)):
                raise Unrecordable("the layer before it does not return what it declares")
        except Unrecordable as error:
            if is_composite(call.operation):
                self.closed[path] = str(error)
            return None
        if not is_worth_it(call.operation, recording.calls):
            return None
        self.closed |= {f"{path}/{inner}": why for inner, why in recording.closed.items()}
        return recording

    def _of_recording(
        self, recording: Recording, inputs: Sequence[Edge], prefix: str
    ) -> list[Edge]:
        edges = dict(zip(map(id, recording.inputs), inputs, strict=True))
        for call in recording.calls:
            self._add(call, prefix + call.path, call.owner, edges)
        for tensor, mask in recording.masks:
            if id(tensor) in edges:
                self.masks[edges[id(tensor)]] = edges[id(mask)]
        return [edges[id(x)] for x in recording.outputs]

    def _follow_masks(self, node: Node, edges: dict[int, Edge]) -> None:
        """Finds the mask of the output of a layer that passes it on, or sets it in its `call`."""
        layer = node.operation
        if not isinstance(layer, keras.Layer) or not layer.supports_masking or not node.inputs:
            return
        cls: Any = own_class(layer)
        first = next(iter(node.arguments.values()))
        if isinstance(layer, keras.layers.ReversibleEmbedding):
            with calls_forgotten([producer(first)]):
                mask = computed_mask(layer, node.arguments, first, None)
                if mask is not None:
                    edge = self._edge_of_mask(mask, node.path, node.owner, edges)
                    self.masks[node.outputs[0]] = edge
        elif cls.compute_mask is keras.Layer.compute_mask:
            for x, edge in zip(keras.tree.flatten(first), node.outputs, strict=False):
                if id(x) in node.edges and node.edges[id(x)] in self.masks:
                    self.masks[edge] = self.masks[node.edges[id(x)]]

    def _edge_of_mask(
        self,
        mask: keras.KerasTensor,
        path: str,
        owner: keras.Layer,
        edges: dict[int, Edge],
    ) -> Edge:
        """Adds the calls that compute a mask, which Keras passes beside the tensors."""
        if id(mask) not in edges:
            call = call_of(mask)
            for tensor in call.input_tensors:
                self._edge_of_mask(tensor, path, owner, edges)
            received = tuple(edges[id(x)] for x in call.input_tensors)
            name = f"{path}/mask_{call.operation.name}"
            node = Node(call.operation, name, call, owner, received)
            self.nodes.append(node)
            edges.update(zip(map(id, call.outputs), node.outputs, strict=True))
        return edges[id(mask)]

    def _as_declared(
        self, declared: keras.KerasTensor, edge: Edge, prefix: str, functional: Functional
    ) -> Edge:
        """Adds the conversions of a tensor that enters a nested model, and returns the edge.

        Keras converts it to the dtype and rank of the model's input. Casts between floats are
        ignored, since users of the graph compute in float32.
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
                self.nodes.append(
                    Node(producer(tensor), path, call_of(tensor), functional, (edge,))
                )
                edge = Edge(self.nodes[-1])
        return edge


def _called(call: Any) -> keras.Operation:
    """Returns the operation of a call, as a layer if it has state."""
    key = getattr(call, "key", None)
    found = None if key is None else inner_operation(call.owner, key)
    if found is None:
        return call.operation
    found.become(call.operation)
    return found


def _argument_order(nested: Functional, call: Any) -> list[int]:
    """Returns, for each input of `nested`, the position of its tensor in the call.

    Keras accepts a dictionary for a model with a list of inputs, and matches by name.
    """
    position = {id(x): i for i, x in enumerate(call.input_tensors)}
    arguments = call.arguments
    argument = arguments.args[0] if arguments.args else arguments.kwargs["inputs"]
    if isinstance(argument, dict) and not isinstance(nested.input, dict):
        flat = [argument[x.name] for x in nested.inputs]
    else:
        flat = tree.flatten(argument)
    return [position[id(x)] for x in flat]
