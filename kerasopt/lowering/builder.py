"""The model that is being built while its source is lowered."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import keras

from kerasopt.finalization import finalize
from kerasopt.graph import Copies, Edge, Group, Node, data_among, without_layer
from kerasopt.inference import Affine
from kerasopt.inference.held import DynamicWeight
from kerasopt.inference.integer.boundaries import Dequantize, Quantize
from kerasopt.keras_internals.graphs import copied, producer, set_dense
from kerasopt.lowering.float_calls import call_of_float, can_be_loaded
from kerasopt.lowering.held_weights import hold_weights
from kerasopt.lowering.masks import Masks
from kerasopt.lowering.quantizers import affine_of, output_affine, signed
from kerasopt.lowering.values import Value
from kerasopt.parametrization import FACTOR_SLOTS, links_by_slot, merge_lora


class Builder:
    """Keeps the values of the new model and makes its layers.

    Args:
        source: The model that is lowered; it is not changed, and not compiled.

    Attributes:
        masks: The `Masks` that Keras passes beside the values.
    """

    def __init__(self, source: keras.Model):
        self._source = source
        self._values: dict[Edge, Value] = {}
        self._converted: dict[tuple[int, Affine | None], Value] = {}
        self._layers: dict[Any, keras.Layer] = {}
        self._names: set[str] = set()
        self.masks = Masks(lambda edge: self.as_float(self.value(edge)).tensor)

    def value(self, edge: Edge) -> Value:
        """Returns the value that stands for an edge of the source."""
        return self._values[edge]

    def put(self, node: Node, *values: Value) -> None:
        """Sets the values of the outputs of a node of the source."""
        self._values.update(zip(node.outputs, values, strict=True))

    def inputs(self, node: Node) -> list[Value]:
        """Returns the values that a node reads, after its layer's own input quantizer."""
        values = [self.value(edge) for edge in node.inputs]
        affine = affine_of(node.operation, "input")
        if affine is not None:
            # As in training, the quantizer applies to the positional arguments of the call, or to
            # the first one that is passed by its name.
            arguments = node.keras_node.arguments
            given = arguments.args or next(iter(arguments.kwargs.values()))
            flat = [x for x in keras.tree.flatten(given) if isinstance(x, keras.KerasTensor)]
            read = set(map(id, data_among(flat)))
            for index, tensor in enumerate(flat):
                if id(tensor) in read:
                    values[index] = self.as_integers(values[index], affine)
        for position, slot in enumerate(FACTOR_SLOTS):
            affine = affine_of(node.operation, slot)
            if affine is not None:
                index = _index_of_tensor(node, position)
                values[index] = self.as_integers(values[index], affine)
        return values

    def as_integers(self, value: Value, affine: Affine) -> Value:
        """Returns `value` as integers at the given scale and zero point."""
        if value.affine == affine:
            return value
        source = self.as_float(value)
        return self._convert(source, affine, Quantize, output_affine=affine)

    def as_float(self, value: Value) -> Value:
        """Returns `value` in float32."""
        if value.affine is None:
            return value
        return self._convert(value, None, Dequantize, input_affine=value.affine)

    def output(self, edge: Edge) -> keras.KerasTensor:
        """Returns an output of the new model, in float32, with the mask that losses look for."""
        value, mask = self.value(edge), self.masks.of(edge)
        if mask is None or value.affine is None:
            return self.as_float(value).tensor
        return self._boundary(value, Dequantize, input_affine=value.affine)(value.tensor, mask=mask)

    def has_int16(self, group: Group) -> bool:
        """Whether a group reads or writes integers of 16 bits."""
        node = group.anchor
        affines = [self.value(edge).affine for edge in node.inputs]
        affines += [affine_of(node.operation, "input"), output_affine(group)]
        return any(affine is not None and affine.bits == 16 for affine in affines)

    def run_as_float(self, node: Node) -> None:
        """Runs a node of the source in float32, with its weights held in the bits they have."""
        values = [self.as_float(value) for value in self.inputs(node)]
        masks = self.masks.arguments(node)
        if isinstance(node.operation, keras.layers.MultiHeadAttention):
            # What it is passed as `query_mask`, it takes no notice of.
            mask = self.masks.attention(node)
            masks = {} if mask is None else {"attention_mask": mask}
        outputs = self.call(node, self.float_operation(node), values, masks=masks)
        outputs = [signed(node, value) for value in outputs]
        affine = affine_of(node.operation, "output")
        if affine is not None:
            outputs = [self.as_integers(value, affine) for value in outputs]
        self.put(node, *outputs)

    def multiplies_integers(self, node: Node) -> bool:
        """Whether what runs as the float layer of a node rounds the rows that it multiplies."""
        return bool(links_by_slot(self.plain_operation(node), DynamicWeight))

    def call(
        self,
        node: Node,
        operation: Callable[..., Any],
        values: list[Value],
        affine: Affine | None = None,
        masks: dict[str, Any] | None = None,
    ) -> list[Value]:
        """Calls `operation` with the arguments of a node, its tensors replaced by `values`."""
        tensors = [value.tensor for value in values]
        outputs = node.call(tensors, operation, **(masks or {}))
        if not any(getattr(tensor, "sparse", False) for tensor in tensors):
            for output in outputs:
                set_dense(output)  # Keras takes a product with a constant for a sparse one
        return [Value(x, affine) for x in outputs]

    def layer(self, node: Node, affines: Any, make: Any, suffix: str = "") -> Any:
        """Returns `make(name)`, once for all calls of one layer with the same scales."""
        key = (id(node.operation), affines)
        if key not in self._layers:
            self._layers[key] = make(self.name(node, suffix))
        return self._layers[key]

    def plain_operation(self, node: Node) -> keras.Operation:
        """Returns what a node calls, with its weights baked."""
        return without_layer(self._plain.of(node.operation))

    def float_operation(self, node: Node) -> Callable[..., Any]:
        """Returns what a node calls in float32, its weights held in the bits they have."""
        operation = self.plain_operation(node)
        if not isinstance(operation, keras.Layer):
            return copy_operation(operation, self.name(node))
        is_loaded = can_be_loaded(operation)
        hold_weights(node.operation, operation)
        layer = self.layer(node, None, lambda name: _renamed(operation, name))
        return call_of_float(layer, is_loaded, lambda inner: self.name(node, f"_{inner}"))

    def name(self, node: Node, suffix: str = "") -> str:
        """Returns a name for what `node` becomes, its path where that is free."""
        return self._unique(node.path.replace("/", "_") + suffix)

    def _convert(self, value: Value, affine: Affine | None, cls: type, **affines: Affine) -> Value:
        key = (id(value.tensor), affine)
        if key not in self._converted:
            layer = self._boundary(value, cls, **affines)
            self._converted[key] = Value(layer(value.tensor), affine)
        return self._converted[key]

    def _boundary(self, value: Value, cls: type, **affines: Affine) -> keras.Layer:
        is_constant = not isinstance(value.tensor, keras.KerasTensor)
        source = "constant" if is_constant else producer(value.tensor).name
        return cls(**affines, name=self._unique(f"{source}_{cls.__name__.lower()}"))

    def _unique(self, name: str) -> str:
        candidates = (f"{name}_{count}" if count else name for count in itertools.count())
        free = next(candidate for candidate in candidates if candidate not in self._names)
        self._names.add(free)
        return free

    @functools.cached_property
    def _plain(self) -> Copies:
        """A finalized copy of the source."""
        plain = Copies(self._source)
        finalize(plain.of(self._source), verbose=False)
        merge_lora(plain.of(self._source))
        return plain


def copy_operation(operation: keras.Operation, name: str) -> keras.Operation:
    """Returns a copy of an operation that is no layer, with no place in any graph."""
    operation = copied(operation)
    operation.name = name
    return operation


def _index_of_tensor(node: Node, position: int) -> int:
    """Returns which of the tensors that a call reads is the argument at a position."""
    given = node.keras_node.arguments
    before = keras.tree.flatten((given.args, given.kwargs))[:position]
    return sum(isinstance(x, keras.KerasTensor) for x in before)


def _renamed(layer: keras.Layer, name: str) -> keras.Layer:
    layer.name = name
    return layer
