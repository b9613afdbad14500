"""Weights in few bits among the constants of a LiteRT file."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.held_constants import HeldConstants, Integers, packed

# Names of types, and the versions of DEQUANTIZE that know them.
_TYPES = {2: ("INT2", 7), 4: ("INT4", 6), 8: ("INT8", 2), 16: ("FLOAT16", 3)}

_PRODUCT = schema.BuiltinOperator.FULLY_CONNECTED
_VERSION_OF_ROWS = 9  # the one that knows float rows, and a scale for each output


def hold(model: Any, constants: HeldConstants) -> None:
    """Puts integers or 16-bit floats, and DEQUANTIZE, in the place of float constants.

    LiteRT dequantizes a constant once, when the file is loaded; also in a loop.

    Args:
        model: The schema's object of a converted file. It is changed.
        constants: What its layers hold.
    """
    for index, subgraph in enumerate(model.subgraphs):
        held = _Held(model, subgraph, in_loop=index > 0)
        for place, tensor in enumerate(list(subgraph.tensors)):
            data = model.buffers[tensor.buffer].data
            if tensor.type == schema.TensorType.FLOAT32 and data is not None:
                values = np.asarray(data, "uint8").view("float32").reshape(tensor.shape)
                held.replace(place, constants.find(values))
        subgraph.operators = [*held.operators, *(subgraph.operators or ())]


class _Held:
    """The operators that make the constants of a graph of what is stored.

    Args:
        model: The schema's object of a file.
        subgraph: One of its graphs.
        in_loop: Whether the graph runs often.

    Attributes:
        operators: List of the schema's objects.
    """

    def __init__(self, model: Any, subgraph: Any, in_loop: bool):
        self._model, self._subgraph, self._in_loop = model, subgraph, in_loop
        self.operators: list[Any] = []

    def replace(self, place: int, found: Any) -> None:
        """Makes a constant the result of operators on what was found for it, if anything was."""
        if isinstance(found, Integers):
            if found.is_dynamic and self._round_rows(place, found):
                return
            axes = [axis for axis, size in enumerate(found.scale.shape) if size > 1]
            if len(axes) < 2 and found.codes.ndim == len(self._subgraph.tensors[place].shape):
                stored = self._constant(place, found.codes, found.bits)
                self._quantize(stored, found, axes)
                self._dequantize(stored, place, found.bits)
            elif not self._in_loop:  # where it would be dequantized in every step
                self._multiply(place, found)
        elif found is not None and found.dtype == "float16":  # LiteRT has no other
            self._dequantize(self._constant(place, found, 16), place, 16)

    def _round_rows(self, place: int, found: Integers) -> bool:
        """Makes int8 of a kernel, for whose products LiteRT rounds float rows itself."""
        readers = [each for each in self._subgraph.operators or () if place in list(each.inputs)]
        is_kernel = all(
            self._kind(each) == _PRODUCT and each.inputs[1] == place for each in readers
        )
        if not is_kernel or max(found.scale.shape[1:], default=1) > 1:
            return False
        for each in readers:
            each.opcodeIndex = self._operator_code("FULLY_CONNECTED", _VERSION_OF_ROWS)
        self._subgraph.tensors[place].type = schema.TensorType.INT8
        self._store(place, found.codes)
        self._quantize(place, found, [])
        return True

    def _kind(self, operator: Any) -> int:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode)

    def _multiply(self, place: int, found: Integers) -> None:
        """Multiplies with scales of groups, which LiteRT's quantization does not have."""
        stored = self._constant(place, found.codes, found.bits)
        self._quantize(stored, found._replace(scale=np.ones(1), zero_point=None), [])
        real = self._tensor(place, found.codes.shape, "FLOAT32")
        self._dequantize(stored, real, found.bits)
        if found.zero_point is not None:
            zero_point = self._constant(place, found.zero_point.astype("float32"), 32)
            difference = self._tensor(place, found.codes.shape, "FLOAT32")
            self._add("SUB", [real, zero_point], difference, schema.SubOptionsT())
            real = difference
        scale = self._constant(place, found.scale, 32)
        product = self._tensor(place, found.codes.shape, "FLOAT32")
        self._add("MUL", [real, scale], product, schema.MulOptionsT())
        options = schema.ReshapeOptionsT()
        options.newShape = self._subgraph.tensors[place].shape
        shape = self._constant(place, np.array(options.newShape, "int32"), 0)
        self._add("RESHAPE", [product, shape], place, options)

    def _dequantize(self, source: int, target: int, bits: int) -> None:
        self._add("DEQUANTIZE", [source], target, schema.DequantizeOptionsT(), _TYPES[bits][1])

    def _add(self, name: str, inputs: list[int], output: int, options: Any, version: int = 1):
        operator = schema.OperatorT()
        operator.opcodeIndex = self._operator_code(name, version)
        operator.inputs, operator.outputs = inputs, [output]
        kind = type(options).__name__.removesuffix("T")
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        operator.builtinOptions = options
        self._subgraph.tensors[output].buffer = 0
        self.operators.append(operator)

    def _operator_code(self, name: str, version: int) -> int:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = version
        self._model.operatorCodes.append(code)
        return len(self._model.operatorCodes) - 1

    def _constant(self, place: int, values: np.ndarray, bits: int) -> int:
        """Adds a constant; `bits` is 32 for float32, and 0 for int32."""
        name = {32: "FLOAT32", 0: "INT32"}.get(bits) or _TYPES[bits][0]
        index = self._tensor(place, values.shape, name)
        self._store(index, packed(values, bits) if bits in (2, 4) else values)
        return index

    def _store(self, index: int, data: np.ndarray) -> None:
        buffer = schema.BufferT()
        buffer.data = np.ascontiguousarray(data).ravel().view("uint8")
        self._model.buffers.append(buffer)
        self._subgraph.tensors[index].buffer = len(self._model.buffers) - 1

    def _quantize(self, index: int, found: Integers, axes: list[int]) -> None:
        parameters = schema.QuantizationParametersT()
        parameters.scale = found.scale.ravel().astype("float32")
        zeros = np.zeros(found.scale.size) if found.zero_point is None else found.zero_point.ravel()
        parameters.zeroPoint = zeros.astype("int64")
        parameters.quantizedDimension = sum(axes)
        self._subgraph.tensors[index].quantization = parameters

    def _tensor(self, place: int, shape: tuple[int, ...], type: str) -> int:
        tensor = schema.TensorT()
        count = len(self._subgraph.tensors)
        tensor.name = self._subgraph.tensors[place].name + f"/held_{count}".encode()
        tensor.shape, tensor.hasRank = list(shape), True
        tensor.type = getattr(schema.TensorType, type)
        self._subgraph.tensors.append(tensor)
        return count
