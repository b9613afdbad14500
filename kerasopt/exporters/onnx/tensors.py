"""The tensors of an ONNX file, in the forms that operators read them in."""

from __future__ import annotations

from onnx import TensorProto

from kerasopt.exporters.onnx.graph import OnnxGraph
from kerasopt.exporters.operands import Constant
from kerasopt.graph import Edge
from kerasopt.inference import Affine

# Ends the name of an image whose channels are its first axis after the batch.
CHANNELS_FIRST = "/channels_first"
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


class Tensors:
    """Keeps the names of tensors; makes other forms of them where they are asked for.

    Convolutions of ONNX have channels first. An image is transposed where that is needed, and
    stays so as long as what reads it can.

    Args:
        graph: The `OnnxGraph`.
    """

    def __init__(self, graph: OnnxGraph):
        self._graph = graph
        self._names: dict[tuple[Edge | Constant, bool], str] = {}
        self._real: dict[tuple[Edge | Constant, bool], str] = {}
        self.affines: dict[Edge | Constant, Affine | None] = {}
        self._dtypes: dict[Edge | Constant, str] = {}

    def put(
        self,
        edge: Edge | Constant,
        name: str,
        affine: Affine | None,
        first: bool = False,
        dtype: str = "float32",
    ) -> None:
        """Sets the name of a tensor, with its channels first or last.

        `dtype` is that of a tensor which is not quantized.
        """
        self._names[edge, first] = name
        self._dtypes[edge] = dtype
        self.affines[edge] = affine
        if affine is not None:
            self._graph.annotate(name, affine)

    def is_first(self, edge: Edge | Constant) -> bool:
        """Whether a tensor is there with its channels first."""
        return (edge, True) in self._names

    def name(self, edge: Edge | Constant, first: bool = False) -> str:
        """Returns the name of a tensor, int8 if it is quantized."""
        if (edge, first) not in self._names:
            other = self._names[edge, not first]
            name = other + CHANNELS_FIRST if first else other.removesuffix(CHANNELS_FIRST)
            order = _TO_FIRST if first else _TO_LAST
            name = self._graph.unique(name)
            self._names[edge, first] = self._graph.add("Transpose", [other], name, perm=order)
        return self._names[edge, first]

    def real(self, edge: Edge | Constant, first: bool = False) -> str:
        """Returns the name of a tensor's float32 values."""
        affine = self.affines[edge]
        name = self.name(edge, first)
        if affine is None and self._dtypes[edge] == "float32":
            return name
        if (edge, first) not in self._real:
            output = self._graph.unique(f"{name}/real")
            self._real[edge, first] = (
                self._graph.add("Cast", [name], output, to=TensorProto.FLOAT)
                if affine is None
                else self._graph.dequantize(name, affine, output)
            )
        return self._real[edge, first]
