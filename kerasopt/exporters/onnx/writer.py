"""From the parts of an integer model to an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from onnx import helper

from kerasopt.exporters.held_constants import held_links
from kerasopt.exporters.names import numbered, output_names
from kerasopt.exporters.onnx.graph import OnnxGraph
from kerasopt.exporters.onnx.operators import TABLE
from kerasopt.exporters.onnx.splice import splice_part
from kerasopt.exporters.onnx.tensors import CHANNELS_FIRST, Tensors
from kerasopt.exporters.operands import Constant, operands
from kerasopt.exporters.parts import Parts
from kerasopt.graph import Edge, Graph, Node, functional_of
from kerasopt.inference import Affine


class Writer:
    """Writes the graph of a model as an ONNX model.

    Attributes:
        graph: The `OnnxGraph`.
        tensors: The `Tensors` of the model.
        names: Dict of the id of a call to the name of what it computes.

    Args:
        model: A functional `keras.Model`.
        opset: Integer, the version of the operators.
    """

    def __init__(self, model: keras.Model, opset: int):
        self.graph = OnnxGraph(model.name, opset)
        self.tensors = Tensors(self.graph)
        self._functional: Any = functional_of(model)
        self._nodes = Graph.of(model)
        names = numbered([node.operation.name for node in self._nodes])
        self.names = {id(node): name for node, name in zip(self._nodes, names, strict=True)}

    def write(self) -> onnx.ModelProto:
        """Returns the model."""
        inputs = []
        for edge in self._nodes.inputs:
            name = self.graph.unique(edge.source.operation.name)
            self.tensors.put(edge, name, None, dtype=edge.tensor.dtype)
            inputs.append(_value_info(name, edge.tensor))
        names = self._output_names()
        # What holds weights by itself: else what follows is multiplied into them.
        for part in Parts(self._nodes, alone=lambda node: bool(held_links(node))):
            write = TABLE.of(part)
            if write is None:
                splice_part(part, self)
            else:
                write(part.nodes[0], self)
        outputs: list[onnx.ValueInfoProto] = []
        for edge, key in zip(self._nodes.outputs, names, strict=True):
            taken = {each.name for each in [*inputs, *outputs]}
            outputs.append(self._output(edge, key, taken))
        return self.graph.finish(inputs, outputs)

    def operands(self, node: Node, affine: Affine | None = None) -> list[Edge | Constant]:
        """Returns what a call reads, its constants too; see `kerasopt.exporters.operands`."""
        found = operands(node, affine)
        for each in found:
            if isinstance(each, Constant):
                name = self.graph.constant(self.name(node, "constant"), each.tensor)
                self.tensors.put(each, name, each.affine)
        return found

    def add(
        self, node: Node, kind: str, inputs: list[str], first: bool = False, **how: Any
    ) -> None:
        """Adds the operator of an integer layer, rounded to its output and clamped."""
        self.round(node, self.graph.add(kind, inputs, self.name(node, "sums"), **how), first)

    def round(self, node: Node, real: str, first: bool = False) -> None:
        """Sets the output of an integer layer to real numbers, rounded and clamped."""
        affine = node.operation.output_affine  # type: ignore[attr-defined]
        self.put(node, lambda output: self.rounded(node, real, output), affine, first)

    def rounded(self, node: Node, real: str, output: str) -> str:
        """Rounds real numbers to the scale of an integer layer, and clamps them to its range.

        The ends of a dtype are no clamp. Another one is on the integers: between its operator and
        QuantizeLinear it would keep runtimes from fusing these.
        """
        layer: Any = node.operation
        affine = layer.output_affine
        ends = affine.minimum, affine.maximum
        clamp = getattr(layer, "output_min", ends[0]), getattr(layer, "output_max", ends[1])
        if clamp == ends:
            return self.graph.quantize(real, affine, output)
        if affine.bits == 16:  # which Clip does not know in runtimes, and none of them fuses
            bounds = [
                self.graph.constant(self.name(node, "bound"), np.float32(end * affine.scale))
                for end in clamp
            ]
            clipped = self.graph.add("Clip", [real, *bounds], self.name(node, "clamped"))
            return self.graph.quantize(clipped, affine, output)
        integers = self.graph.quantize(real, affine, self.name(node, "unclamped"))
        bounds = [self.graph.constant(self.name(node, "bound"), np.int8(bound)) for bound in clamp]
        return self.graph.add("Clip", [integers, *bounds], output)

    def put(self, node: Node, make: Callable[[str], str], affine: Any, first: bool = False) -> None:
        """Sets the output of a call to what `make` returns for the name that it has."""
        # Calls are numbered before the ending, so that without it they have names of their own.
        name = self.graph.unique(self.names[id(node)] + (CHANNELS_FIRST if first else ""))
        self.tensors.put(Edge(node), make(name), affine, first)

    def name(self, node: Node, part: str) -> str:
        """Returns a name for something that belongs to a layer."""
        return self.graph.unique(f"{node.operation.name}/{part}")

    def _output_names(self) -> list[str | None]:
        """Returns the keys of outputs, which no other tensor may take; `None`: the layer's name."""
        structure = self._functional.output
        if not isinstance(structure, dict):
            return [None] * len(self._nodes.outputs)
        layers = [edge.source.operation.name for edge in self._nodes.outputs]
        keys = output_names(structure)
        return [
            None if key == layer and layers.count(layer) == 1 else self.graph.unique(key)
            for key, layer in zip(keys, layers, strict=True)
        ]

    def _output(self, edge: Edge, key: str | None, taken: set[str]) -> onnx.ValueInfoProto:
        name = self.tensors.name(edge)
        if key is not None:
            name = self.graph.add("Identity", [name], key)
        elif name in taken:
            # An input that is an output, and an output twice, need tensors of their own.
            name = self.graph.add("Identity", [name], self.graph.unique(name))
        return _value_info(name, edge.tensor)


def _value_info(name: str, tensor: keras.KerasTensor) -> onnx.ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    # Sizes of the same name are equal: those of an encoder's and a decoder's sequence are not.
    sizes = [
        size if size is not None else f"{name}_size_{axis}" if axis else "batch"
        for axis, size in enumerate(tensor.shape)
    ]
    return helper.make_tensor_value_info(name, dtype, sizes)
