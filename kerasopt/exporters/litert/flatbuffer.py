"""Building a LiteRT file: tensors, buffers and operators of one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.litert.run import pack

TYPES = {
    "bool": schema.TensorType.BOOL,
    "float16": schema.TensorType.FLOAT16,
    "float32": schema.TensorType.FLOAT32,
    "float64": schema.TensorType.FLOAT64,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "uint8": schema.TensorType.UINT8,
    "uint16": schema.TensorType.UINT16,
    "uint32": schema.TensorType.UINT32,
}
# From here on an operator's code has a field of its own, and the old one says so.
_LARGEST_OLD_CODE = 127


class Quantization(NamedTuple):
    """What the integers of a tensor stand for.

    Attributes:
        scale: float32 array of one scale, or one for each entry of `axis`.
        zero_point: Integer.
        axis: Integer, the axis that the scales belong to.
    """

    scale: Any
    zero_point: int = 0
    axis: int = 0


class FlatBuffer:
    """A LiteRT file in the making.

    Tensors and operators are added in the order in which they run; `finish` returns the bytes.

    Args:
        flex: Whether it may have operators of TensorFlow, which not every runtime has.
    """

    def __init__(self, flex: bool = False) -> None:
        self.flex = flex
        self.subgraph = schema.SubGraphT()
        self.subgraph.name = "main"
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "kerasopt"
        # By LiteRT's convention the first buffer is empty: that of tensors without data.
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes, self.model.subgraphs = [], [self.subgraph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int | None],
        dtype: str,
        quantization: Quantization | None = None,
    ) -> int:
        """Adds a tensor that an operator or the caller fills; returns its index."""
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [1 if size is None else size for size in shape]
        if None in shape:
            tensor.shapeSignature = [-1 if size is None else size for size in shape]
        tensor.type = TYPES[dtype]
        tensor.hasRank = True
        if quantization is not None:
            tensor.quantization = _parameters(quantization)
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def float_like(self, index: int, name: str) -> int:
        """Adds a float32 tensor of the shape of another one; returns its index."""
        tensor = self.subgraph.tensors[index]
        signature = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
        shape = [None if size < 0 else int(size) for size in signature]
        return self.tensor(name, shape, "float32")

    def constant(
        self, name: str, values: np.ndarray, quantization: Quantization | None = None
    ) -> int:
        """Adds a tensor with values; returns its index."""
        index = self.tensor(name, values.shape, str(values.dtype), quantization)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), "uint8")
        self.model.buffers.append(buffer)
        self.subgraph.tensors[index].buffer = len(self.model.buffers) - 1
        return index

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> None:
        """Adds an operator.

        Args:
            name: String, the operator's name in the schema (`"CONV_2D"`).
            inputs: Indices of tensors.
            outputs: Indices of tensors.
            options: The object of the schema that holds the operator's options.
            version: Integer, the version of the operator that has what is used of it.
        """
        operator = schema.OperatorT()
        operator.opcodeIndex = self.operator_code(getattr(schema.BuiltinOperator, name), version)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.subgraph.operators.append(operator)

    def copy(self, source: int, target: int) -> None:
        """Adds what gives a tensor another index: LiteRT knows no identity."""
        options = schema.ConcatenationOptionsT()
        self.operator("CONCATENATION", [source], [target], options, version=2)

    def operator_code(self, code: int, version: int, custom: bytes | None = None) -> int:
        """Returns the index of an operator's code and version."""
        found = self.model.operatorCodes
        for index, known in enumerate(found):
            if (known.builtinCode, known.version, known.customCode) == (code, version, custom):
                return index
        entry = schema.OperatorCodeT()
        entry.builtinCode, entry.version, entry.customCode = code, version, custom
        entry.deprecatedBuiltinCode = min(code, _LARGEST_OLD_CODE)
        found.append(entry)
        return len(found) - 1

    def finish(self, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
        """Returns the file, with inputs and outputs under the given names in its signature."""
        self.subgraph.inputs = list(inputs.values())
        self.subgraph.outputs = list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey = b"serving_default"
        signature.inputs = [_named(*item) for item in inputs.items()]
        signature.outputs = [_named(*item) for item in outputs.items()]
        self.model.signatureDefs = [signature]
        return pack(self.model)


def _parameters(quantization: Quantization) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.atleast_1d(np.asarray(quantization.scale, "float32"))
    parameters.zeroPoint = np.full(len(parameters.scale), quantization.zero_point, "int64")
    parameters.quantizedDimension = quantization.axis
    return parameters


def _named(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry
