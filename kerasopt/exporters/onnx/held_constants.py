"""Weights in few bits among the constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerasopt.exporters.held_constants import HeldConstants, Integers, packed
from kerasopt.exporters.onnx.integer_products import multiply_integers

# What unpacks 2 bits takes bytes, too: fewer integers are smaller with 4.
_FEWEST_OF_TWO_BITS = 8192


def hold(graph: Any, constants: HeldConstants) -> None:
    """Puts integers or 16-bit floats, and what makes floats of them, in the place of constants.

    Not DequantizeLinear: onnxruntime computes the others once, when it loads the file, so that
    operators find constants as in a file of floats, but that one in every run.

    Args:
        graph: A graph of a model that was converted. It is changed, and those inside it.
        constants: What its layers hold.
    """
    nodes: list[onnx.NodeProto] = []
    for initializer in list(graph.initializer):
        if initializer.data_type == TensorProto.FLOAT:
            found = constants.find(numpy_helper.to_array(initializer))
            if found is not None:
                graph.initializer.remove(initializer)
                name, shape = initializer.name, tuple(initializer.dims)
                if not _is_multiplied(graph, name, found):
                    nodes += _Held(graph, name, shape).nodes(found)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                hold(attribute.g, constants)
    others = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *others])


def _is_multiplied(graph: Any, name: str, found: np.ndarray | Integers) -> bool:
    """Whether a constant is multiplied as integers, which is then done."""
    if not isinstance(found, Integers) or not found.is_dynamic:
        return False
    return multiply_integers(graph, name, found)


class _Held:
    """What makes a constant of what is stored for it."""

    def __init__(self, graph: Any, name: str, shape: tuple[int, ...]):
        self._graph, self._name, self._shape = graph, name, shape
        self._nodes: list[onnx.NodeProto] = []

    def nodes(self, found: np.ndarray | Integers) -> list[onnx.NodeProto]:
        """Returns the operators; the last one writes the constant."""
        if isinstance(found, Integers):
            self._multiply(found)
        else:
            self._add("Cast", self._constant("half", found), to=TensorProto.FLOAT)
        self._nodes[-1].output[0] = self._name
        return self._nodes

    def _multiply(self, found: Integers) -> None:
        if found.bits == 2 and found.codes.size > _FEWEST_OF_TWO_BITS:
            codes = self._two_bits(found.codes)
        else:
            codes = self._integers(found)
        real = self._add("Cast", codes, to=TensorProto.FLOAT)
        if found.zero_point is not None:
            zero_point = self._constant("zero_point", found.zero_point)
            zero_point = self._add("Cast", zero_point, to=TensorProto.FLOAT)
            real = self._add("Sub", real, zero_point)
        product = self._add("Mul", real, self._constant("scale", found.scale))
        if found.codes.shape != self._shape:
            self._add("Reshape", product, self._constant("shape", self._shape))

    def _integers(self, found: Integers) -> str:
        if found.bits == 8:
            return self._constant("integers", found.codes)
        tensor = onnx.TensorProto(name=f"{self._name}/integers", data_type=TensorProto.INT4)
        tensor.dims.extend(found.codes.shape)
        tensor.raw_data = packed(found.codes, 4).tobytes()
        self._graph.initializer.append(tensor)
        return tensor.name

    def _two_bits(self, codes: np.ndarray) -> str:
        """Unpacks bytes by a table of what is in each: ONNX has int2 from its opset 25 on."""
        parts = np.arange(256, dtype="uint8")[:, None] << (6 - 2 * np.arange(4, dtype="uint8"))
        table = self._constant("table", parts.view("int8") >> 6)
        places = self._add("Cast", self._constant("packed", packed(codes, 2)), to=TensorProto.INT32)
        flat = self._add("Gather", table, places)
        flat = self._add("Reshape", flat, self._constant("flat", np.array([-1])))
        ends = (self._constant(*end) for end in (("begin", [0]), ("end", [codes.size])))
        flat = self._add("Slice", flat, *ends)
        return self._add("Reshape", flat, self._constant("view", codes.shape))

    def _constant(self, part: str, values: Any) -> str:
        name = f"{self._name}/{part}"
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        output = f"{self._name}/{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output
