"""Building an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from kerasopt.inference import Affine

# What onnxruntime of today reads.
_IR_VERSION = 10


class OnnxGraph:
    """An ONNX graph in the making.

    Args:
        name: String, the name of the graph.
        opset: Integer, the version of the operators.
    """

    def __init__(self, name: str, opset: int):
        self._name, self.opset = name, opset
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._names: set[str] = set()
        self._annotations: list[onnx.TensorAnnotation] = []
        self._opsets: dict[str, int] = {"": opset}

    def unique(self, name: str) -> str:
        """Returns a name that no tensor of the graph has yet, and takes it."""
        found, count = name, 0
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Adds an operator with one output; returns the output's name."""
        self._nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        """Adds a constant under a name, or one like it; returns the name."""
        name = self.unique(name)
        self._constants[name] = numpy_helper.from_array(np.asarray(values), name)
        return name

    def quantize(self, name: str, affine: Affine, output: str) -> str:
        """Rounds a float tensor to integers."""
        return self.add("QuantizeLinear", [name, *self._parameters(affine)], output)

    def dequantize(self, name: str, affine: Affine, output: str) -> str:
        """Returns the real numbers of a tensor of integers."""
        return self.add("DequantizeLinear", [name, *self._parameters(affine)], output)

    def annotate(self, name: str, affine: Affine) -> None:
        """Writes down what integers stand for; operators that move values do not say it."""
        annotation = onnx.TensorAnnotation(tensor_name=name)
        keys = "SCALE_TENSOR", "ZERO_POINT_TENSOR"
        for key, value in zip(keys, self._parameters(affine), strict=True):
            annotation.quant_parameter_tensor_names.add(key=key, value=value)
        self._annotations.append(annotation)

    def weight(self, name: str, integers: np.ndarray, scale: np.ndarray, axis: int = 0) -> str:
        """Adds integers with a scale for each entry of an axis; returns their real numbers."""
        values = self.constant(f"{name}/integers", integers)
        scales = self.constant(f"{name}/scale", np.asarray(scale, "float32"))
        zeros = self.constant(f"{name}/zero_point", np.zeros(np.shape(scale), integers.dtype))
        output = self.unique(name)
        return self.add("DequantizeLinear", [values, scales, zeros], output, axis=axis)

    def splice(self, model: onnx.ModelProto, inputs: list[str], outputs: list[str]) -> None:
        """Adds the operators of another model, whose names are none of this graph's."""
        ends = zip(inputs, (each.name for each in model.graph.input), strict=True)
        for name, inner in ends:
            self.add("Identity", [name], inner)
        self._nodes += model.graph.node
        self._constants |= {each.name: each for each in model.graph.initializer}
        for opset in model.opset_import:
            self._opsets.setdefault(opset.domain, opset.version)
        for name, each in zip(outputs, model.graph.output, strict=True):
            self.add("Identity", [each.name], name)

    def finish(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Returns the model."""
        graph = helper.make_graph(
            self._nodes, self._name, inputs, outputs, list(self._constants.values())
        )
        graph.quantization_annotation.extend(self._annotations)
        opsets = [helper.make_opsetid(*item) for item in self._opsets.items()]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="kerasopt"
        )

    def _parameters(self, affine: Affine) -> tuple[str, str]:
        """Returns the names of a scale and a zero point, which tensors share."""
        values = np.float32(affine.scale), np.array(affine.zero_point, affine.dtype)
        names = f"scale={affine.scale!r}", f"zero_point={affine.zero_point}:{affine.dtype}"
        for name, value in zip(names, values, strict=True):
            if name not in self._constants:
                self.constant(name, value)
        return names
