"""Calls without an integer layer: converted by TensorFlow, and spliced into the file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from kerasopt.exporters.frozen import freeze
from kerasopt.exporters.held_constants import HeldConstants
from kerasopt.exporters.litert.flatbuffer import TYPES, FlatBuffer
from kerasopt.exporters.litert.held_constants import hold
from kerasopt.exporters.litert.narrow import narrowed
from kerasopt.exporters.parts import Part
from kerasopt.exporters.quiet import quiet
from kerasopt.graph import unwrap
from kerasopt.inference import Affine
from kerasopt.inference.held import rows_left_as_they_are

# Options that name other graphs of the file.
_SUBGRAPH_FIELDS = (
    "bodySubgraphIndex",
    "condSubgraphIndex",
    "elseSubgraphIndex",
    "initSubgraphIndex",
    "thenSubgraphIndex",
)
# These become TILE, which LiteRT does not run on int16.
_TILING = {"Repeat", "RepeatVector", "Tile", "UpSampling1D", "UpSampling2D", "UpSampling3D"}


class UnknownBatchSize(Exception):
    """Raised for a loop over time, which LiteRT converts for a known batch size only."""


def splice_part(
    buffer: FlatBuffer, part: Part, shapes: list, inputs: list[int], outputs: list[int]
) -> None:
    """Adds the operators of a part to a file.

    Args:
        buffer: The `FlatBuffer`.
        part: A `Part` without an integer layer. If it moves int8 values, it is converted in
            float32 and its tensors are int8 at the same scale: what moves values does so in both.
        shapes: The shapes of the tensors that the part reads.
        inputs: Their indices.
        outputs: Indices of the tensors that it writes.
    """
    inputs = [_narrow_input(buffer, index) for index in inputs]
    with _narrow_outputs(buffer, outputs) as outputs:
        _splice_part(buffer, part, shapes, inputs, outputs)


def _splice_part(
    buffer: FlatBuffer, part: Part, shapes: list, inputs: list[int], outputs: list[int]
) -> None:
    read = (edge.tensor for edge in part.inputs)
    specs = [
        tf.TensorSpec(shape, "float32" if part.affine else tensor.dtype)
        for shape, tensor in zip(shapes, read, strict=True)
    ]
    names = [node.path for node in part.nodes]
    affine = part.affine
    kinds = {type(unwrap(node.operation)).__name__ for node in part.nodes}
    if affine is None or affine.bits == 8 or not kinds & _TILING:
        held = HeldConstants(part.nodes)
        with held.multiplied_out(), rows_left_as_they_are():
            splice_function(buffer, part.function(), specs, names, inputs, outputs, affine, held)
        return
    floats = [buffer.float_like(index, f"{names[0]}/float") for index in (*inputs, *outputs)]
    given, written = floats[: len(inputs)], floats[len(inputs) :]
    for index, real in zip(inputs, given, strict=True):
        options = schema.DequantizeOptionsT()
        buffer.operator("DEQUANTIZE", [index], [real], options, version=2)
    splice_function(buffer, part.function(), specs, names, given, written)
    for real, index in zip(written, outputs, strict=True):
        buffer.operator("QUANTIZE", [real], [index], schema.QuantizeOptionsT())


def _narrow_input(buffer: FlatBuffer, index: int) -> int:
    """Returns the index of a tensor, cast if it is float64, in which LiteRT computes nothing."""
    tensor = buffer.subgraph.tensors[index]
    if tensor.type != TYPES["float64"]:
        return index
    narrow = buffer.float_like(index, f"{tensor.name}/float32")
    buffer.operator("CAST", [index], [narrow], schema.CastOptionsT())
    return narrow


@contextlib.contextmanager
def _narrow_outputs(buffer: FlatBuffer, indices: list[int]) -> Iterator[list[int]]:
    """Yields what to write to in place of tensors, from which those of float64 are cast."""
    tensors = buffer.subgraph.tensors
    wide = {index for index in indices if tensors[index].type == TYPES["float64"]}
    narrow = {index: buffer.float_like(index, f"{tensors[index].name}/float32") for index in wide}
    yield [narrow.get(index, index) for index in indices]
    for index, written in narrow.items():
        buffer.operator("CAST", [written], [index], schema.CastOptionsT())


def splice_function(
    buffer: FlatBuffer,
    run: Callable[..., Sequence[Any]],
    specs: list[tf.TensorSpec],
    names: list[str],
    inputs: list[int],
    outputs: list[int],
    affine: Affine | None = None,
    held: HeldConstants | None = None,
) -> None:
    """Adds the operators of a TensorFlow function to a file.

    Args:
        buffer: The `FlatBuffer`.
        run: The function, from tensors to a list of tensors.
        specs: What it takes.
        names: Paths of what it computes, for messages and names.
        inputs: Indices of the tensors that it reads.
        outputs: Indices of the tensors that it writes.
        affine: What the int8 tensors stand for that float32 ones are to be; `None`: they stay.
        held: What layers in the function hold in few bits.
    """
    blob = _convert(run, specs, names, buffer.flex)
    converted = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(blob, 0))
    if held:
        hold(converted, held)
    first = len(buffer.model.subgraphs) - 1  # graphs beside the main one are appended
    for index, subgraph in enumerate(converted.subgraphs):
        for tensor in subgraph.tensors:
            if affine is not None and tensor.type == schema.TensorType.FLOAT32:
                _retype(tensor, converted.buffers, affine)
            tensor.buffer = _adopted(buffer, converted.buffers[tensor.buffer])
        for operator in subgraph.operators or ():
            _relink(buffer, operator, converted.operatorCodes, first)
        if index:
            buffer.model.subgraphs.append(subgraph)
    main = converted.subgraphs[0]
    places = dict(zip(main.inputs, inputs, strict=True))
    computed = {int(index) for operator in main.operators or () for index in operator.outputs}
    copies = []
    for index, target in zip(main.outputs, outputs, strict=True):
        # What is only passed on, or constant, has no operator that could write to the target.
        if index in computed and index not in places:
            places[index] = target
        else:
            copies.append((index, target))
    for index, tensor in enumerate(main.tensors):
        if index not in places:
            tensor.name = f"{names[0]}/{tensor.name.decode()}"
            buffer.subgraph.tensors.append(tensor)
            places[index] = len(buffer.subgraph.tensors) - 1
    for operator in main.operators or ():
        for field in ("inputs", "outputs", "intermediates"):
            indices = getattr(operator, field)
            if indices is not None:
                setattr(operator, field, [places.get(index, index) for index in indices])
        buffer.subgraph.operators.append(operator)
    for index, target in copies:
        buffer.copy(places[index], target)


def _convert(
    run: Callable[..., Sequence[Any]], specs: list[tf.TensorSpec], names: list[str], flex: bool
) -> bytes:
    frozen, function = freeze(run, specs, names, lower_loops=True)
    frozen = narrowed(frozen)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], function)
    if flex:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    try:
        with quiet():
            return converter.convert()
    except Exception as error:
        if "element_shape to be static" in str(error):
            raise UnknownBatchSize from error
        raise ValueError(_refusal(str(error), specs, names)) from error


def _refusal(error: str, specs: list[tf.TensorSpec], names: list[str]) -> str:
    unknown = sorted(set(re.findall(r"'(tf\.\w+)' op", error)))
    dtypes = sorted(set(re.findall(r"x(f16|bf16)>", error)))
    reason = f"it has no {unknown}" if unknown else error.splitlines()[0]
    if dtypes:
        reason += (
            f" of {dtypes}. Give a model that computes in float32 (build it under "
            "`keras.config.set_dtype_policy('float32')`) the weights, and export that"
        )
    if any(None in spec.shape[1:] for spec in specs):
        reason += (
            " where sizes are not known: give `keras.Input` the whole shape (a subclassed model "
            "has to be built with `keras.Model(inputs, outputs)` for it)"
        )
    # TensorFlow names those that it would have Flex run.
    flexible = " flex=True (for runtimes with TensorFlow's operators), or with"
    return (
        f"LiteRT has no form of {names[:5]}: {reason}. Or replace them, or export with"
        f"{flexible if 'NEEDS_FLEX_OPS' in error else ''} format='tf_saved_model'."
    )


def _retype(tensor: Any, buffers: list, affine: Affine) -> None:
    """Makes a float32 tensor one of integers."""
    tensor.type = TYPES[affine.dtype]
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.array([affine.scale], "float32")
    parameters.zeroPoint = np.array([affine.zero_point], "int64")
    tensor.quantization = parameters
    data = buffers[tensor.buffer].data
    if data is not None:
        values = np.asarray(data, "uint8").view("float32")
        integers = np.array([affine.quantized(value) for value in values], affine.dtype)
        buffers.append(schema.BufferT())
        buffers[-1].data = integers.view("uint8")
        tensor.buffer = len(buffers) - 1


def _adopted(buffer: FlatBuffer, data: Any) -> int:
    """Returns the index of a buffer of the spliced file in the new one."""
    if data.data is None:
        return 0
    buffer.model.buffers.append(data)
    return len(buffer.model.buffers) - 1


def _relink(buffer: FlatBuffer, operator: Any, codes: list, first: int) -> None:
    code = codes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    operator.opcodeIndex = buffer.operator_code(number, code.version, code.customCode)
    for field in _SUBGRAPH_FIELDS:
        if hasattr(operator.builtinOptions, field):
            index = getattr(operator.builtinOptions, field)
            setattr(operator.builtinOptions, field, first + index)
