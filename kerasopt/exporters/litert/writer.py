"""From the parts of an integer model to the operators of a LiteRT file."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.held_constants import held_links
from kerasopt.exporters.litert.flatbuffer import TYPES, FlatBuffer, Quantization
from kerasopt.exporters.litert.operators import bridges, operator_of
from kerasopt.exporters.litert.splice import splice_part
from kerasopt.exporters.names import numbered, output_names, unique
from kerasopt.exporters.operands import Constant, operands
from kerasopt.exporters.parts import Part, Parts, rounded_to
from kerasopt.graph import Edge, Graph, Node, functional_of
from kerasopt.inference import Affine
from kerasopt.inference.integer.boundaries import Dequantize, Quantize


def quantization_of(affine: Affine) -> Quantization:
    """Returns the scale and zero point of a tensor of integers, as the file has them."""
    return Quantization(affine.scale, affine.zero_point)


class Writer:
    """Writes the graph of a model as a LiteRT file.

    Args:
        model: A functional `keras.Model`.
        io_dtype: `"float32"` or `"int8"`: what inputs and outputs are.
        dynamic_range: Whether float layers with int8 kernels quantize their inputs to int8
            dynamically; else the kernels are dequantized.
        flex: Whether the file may have operators of TensorFlow.
        batch_size: Integer, the only batch size of the file; `None`: any.
    """

    def __init__(
        self,
        model: keras.Model,
        io_dtype: str,
        dynamic_range: bool,
        flex: bool = False,
        batch_size: int | None = None,
    ):
        self.dynamic_range = dynamic_range
        self._batch_size = batch_size
        self.buffer = FlatBuffer(flex)
        self._model: Any = functional_of(model)
        self._graph = Graph.of(model)
        # By themselves: else what follows is multiplied into the weights.
        self._parts = Parts(self._graph, alone=lambda node: bool(held_links(node)))
        self._indices: dict[Edge, int] = {}
        names = numbered([node.operation.name for node in self._graph])
        self._names = {id(node): name for node, name in zip(self._graph, names, strict=True)}
        self._int8 = io_dtype == "int8"

    def write(self) -> bytes:
        """Returns the file."""
        inputs = self._add_inputs()
        for part in self._parts:
            if not self._is_skipped(part):
                self._add(part)
        outputs = [self._output_index(edge) for edge in self._graph.outputs]
        names = output_names(self._model.output)
        return self.buffer.finish(inputs, dict(zip(names, outputs, strict=True)))

    def index(self, edge: Edge) -> int:
        """Returns the index of a tensor of the model."""
        return self._indices[edge]

    def shape(self, index: int) -> list[int | None]:
        """Returns the shape of a tensor of the file, `None` where it may change."""
        tensor = self.buffer.subgraph.tensors[index]
        signature = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
        return [None if size < 0 else int(size) for size in signature]

    def like(self, index: int, name: str, shape: list[int | None] | None = None) -> int:
        """Adds a tensor of the type and quantization of another one."""
        tensor = self.buffer.subgraph.tensors[index]
        added = self.buffer.tensor(name, shape or self.shape(index), "int8")
        self.buffer.subgraph.tensors[added].type = tensor.type
        self.buffer.subgraph.tensors[added].quantization = tensor.quantization
        return added

    def quantized(self, index: int, name: str, affine: Affine) -> int:
        """Adds a tensor of the shape of another one, with integers of its own scale."""
        return self.buffer.tensor(name, self.shape(index), affine.dtype, quantization_of(affine))

    def constant(self, name: str, values: np.ndarray) -> int:
        """Adds a constant that is not quantized."""
        return self.buffer.constant(name, np.asarray(values))

    def _add_inputs(self) -> dict[str, int]:
        names, indices = [], []
        for edge in self._graph.inputs:
            names.append(edge.source.operation.name)
            affine = self._affine_of_input(edge) if self._int8 else None
            dtype = edge.tensor.dtype if affine is None else "int8"
            quantization = None if affine is None else quantization_of(affine)
            index = self.buffer.tensor(names[-1], self._shape(edge.tensor), dtype, quantization)
            self._indices[edge] = index
            indices.append(index)
        return dict(zip(unique(names), indices, strict=True))

    def _shape(self, tensor: keras.KerasTensor) -> tuple[int | None, ...]:
        first, *rest = tensor.shape or (self._batch_size,)
        return (self._batch_size if first is None else first, *rest)

    def _affine_of_input(self, edge: Edge) -> Affine | None:
        """Returns what an input is rounded to, by everything that reads it."""
        node = edge.source
        if not edge.tensor.dtype.startswith("float"):
            return None  # indices of an embedding
        affine = rounded_to(node)
        if affine is None:
            readers = [reader.operation.name for reader in node.consumers]
            raise ValueError(
                f"Input '{node.operation.name}' cannot be int8: it is not rounded to one scale "
                f"by all that reads it ({readers}). Export with "
                "io_dtype='float32'. Received: io_dtype='int8'"
            )
        return affine

    def _is_skipped(self, part: Part) -> bool:
        """Whether a part falls away between integers; then its output is set."""
        (node, *_) = part.nodes
        if isinstance(node.operation, Dequantize) and not node.is_output:
            return all(map(_is_bridged, node.consumers))
        if isinstance(node.operation, Quantize) and _is_bridged(node.inputs[0].source):
            self._indices[Edge(node)] = self.index(node.inputs[0])
            return True
        if not self._int8:
            return False
        if isinstance(node.operation, Quantize) and node.inputs[0].source.is_input:
            self._indices[Edge(node)] = self.index(node.inputs[0])
            return True
        return isinstance(node.operation, Dequantize) and node.is_output and not node.consumers

    def _output_index(self, edge: Edge) -> int:
        operation = edge.source.operation
        if not self._int8:
            return self.index(edge)
        if isinstance(operation, Dequantize) and edge not in self._indices:
            return self.index(edge.source.inputs[0])
        if self._parts.affines[edge] is None:
            raise ValueError(
                f"Output '{operation.name}' cannot be int8: '{type(operation).__name__}' computes "
                "it in float32. Export with io_dtype='float32'. Received: io_dtype='int8'"
            )
        return self.index(edge)

    def _add(self, part: Part) -> None:
        if _is_bridged(part.nodes[0]):
            self._add_bridged(part.nodes[0])
            return
        inputs = [self.index(edge) for edge in part.inputs]
        outputs = []
        for edge in part.outputs or [Edge(part.nodes[-1])]:
            tensor = edge.tensor
            name = self._names[id(edge.source)] + (f":{edge.index}" if edge.index else "")
            affine = part.affine
            # LiteRT computes nothing in float64.
            is_inner = tensor.dtype == "float64" and not edge.source.is_output
            dtype = "float32" if is_inner else tensor.dtype
            index = self.buffer.tensor(
                name,
                self._shape(tensor),
                dtype if affine is None else affine.dtype,
                None if affine is None else quantization_of(affine),
            )
            self._indices[edge] = index
            outputs.append(index)
        write = operator_of(part)
        if write is None:
            shapes = [self.shape(index) for index in inputs]
            splice_part(self.buffer, part, shapes, inputs, outputs)
        else:
            # A tensor that is read twice is there twice.
            (node, *_) = part.nodes
            read = [self._operand(each, node) for each in operands(node, part.affine)]
            write(node, self, read, outputs[0])

    def _add_bridged(self, node: Node) -> None:
        """Adds a float call that LiteRT computes on the integers before and after it."""
        (reader, *_) = node.consumers
        name, affine = self._names[id(reader)], bridges.affine_of(node)
        assert affine is not None
        shape = self._shape(node.keras_node.outputs[0])
        output = self.buffer.tensor(name, shape, affine.dtype, quantization_of(affine))
        self._indices[Edge(node)] = output
        source = node.inputs[0].source.inputs[0]
        bridges.write(node, self, [self.index(source)], output)

    def _operand(self, operand: Edge | Constant, reader: Node) -> int:
        """Returns the index of a tensor that a layer reads, cast as Keras does for the layer."""
        if isinstance(operand, Constant):
            name, quantization = (
                f"{reader.operation.name}/constant",
                quantization_of(operand.affine),
            )
            return self.buffer.constant(name, operand.tensor, quantization)
        edge, index = operand, self.index(operand)
        tensor = self.buffer.subgraph.tensors[index]
        is_cast = self._parts.affines[edge] is None and tensor.type != TYPES["float32"]
        if not is_cast or getattr(reader.operation, "reads_indices", False):
            return index
        name = f"{edge.source.operation.name}/float32"
        cast = self.buffer.tensor(name, self.shape(index), "float32")
        self.buffer.operator("CAST", [index], [cast], schema.CastOptionsT())
        return cast


def _is_bridged(node: Node) -> bool:
    return bridges.affine_of(node) is not None
