"""Calls without an integer layer: converted by tf2onnx, and spliced into the graph."""

from __future__ import annotations

from typing import Any

import onnx
import tensorflow as tf
from onnx import TensorProto

from kerasopt.exporters.frozen import freeze
from kerasopt.exporters.held_constants import HeldConstants
from kerasopt.exporters.onnx.handlers import HANDLERS
from kerasopt.exporters.onnx.held_constants import hold
from kerasopt.exporters.parts import Part
from kerasopt.exporters.quiet import quiet
from kerasopt.inference.integer.boundaries import Dequantize

_OPSET = 18  # the newest that tf2onnx writes


def splice_part(part: Part, writer: Any) -> None:
    """Adds the operators of a part to the graph of a `Writer`.

    What moves integers moves them as floats, which hold them exactly.
    """
    try:
        import tf2onnx
    except ImportError as error:
        names = [node.path for node in part.nodes]
        raise ImportError(
            f'{names[:5]} are converted by tf2onnx: `pip install "kerasopt[onnx]"`.'
        ) from error
    read = [edge.tensor for edge in part.inputs]
    specs = [
        tf.TensorSpec(tensor.shape, "float32" if part.affine else tensor.dtype) for tensor in read
    ]
    names = [node.path for node in part.nodes]
    held = HeldConstants(part.nodes)
    with held.multiplied_out():
        frozen, _ = freeze(part.function(), specs, names, lower_loops=False)
    with quiet():
        converted, _ = tf2onnx.convert.from_graph_def(
            _graph_of(frozen),
            input_names=[each.name for each in frozen.inputs],
            output_names=[each.name for each in frozen.outputs],
            opset=_OPSET,
            custom_op_handlers={name: (handler, []) for name, handler in HANDLERS.items()},
        )
    _require_known(converted, part)
    converted = onnx.version_converter.convert_version(converted, writer.graph.opset)
    if held:
        hold(converted.graph, held)
    prefix = writer.graph.unique(part.nodes[0].path + "/float") + "/"
    _add_prefix(converted.graph, prefix)
    graph, tensors = writer.graph, writer.tensors
    inputs, outputs = [], []
    for edge in part.inputs:
        name = tensors.name(edge)
        if isinstance(edge.source.operation, Dequantize):
            # onnxruntime moves a DequantizeLinear over what follows, also where the body of a loop
            # reads it, and then aborts; or to where it finds other dtypes. It does not move it over
            # this sum of one tensor.
            name = graph.add("Sum", [name], graph.unique(f"{name}/apart"))
        if part.affine is not None:
            name = graph.add("Cast", [name], graph.unique(f"{name}/moved"), to=TensorProto.FLOAT)
        inputs.append(name)
    for edge in part.outputs:
        name = writer.names[id(edge.source)] + (f":{edge.index}" if edge.index else "")
        name = graph.unique(name)
        dtype = edge.tensor.dtype
        tensors.put(edge, name, part.affine, dtype=dtype)
        outputs.append(name)
    if part.affine is None:
        graph.splice(converted, inputs, outputs)
        return
    moved = [graph.unique(f"{name}/moved") for name in outputs]
    graph.splice(converted, inputs, moved)
    for name, output in zip(moved, outputs, strict=True):
        graph.add("Cast", [name], output, to=TensorProto.DataType.Value(part.affine.dtype.upper()))


def _add_prefix(graph: Any, prefix: str) -> None:
    """Begins all names of a graph with a prefix, and those of the graphs inside it.

    `onnx.compose.add_prefix` forgets constants that only a graph inside reads.
    """
    for each in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        each.name = prefix + each.name
    for node in graph.node:
        node.name = node.name and prefix + node.name
        for names in (node.input, node.output):
            names[:] = [name and prefix + name for name in names]  # one left out has none
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _add_prefix(attribute.g, prefix)


def _graph_of(frozen: Any) -> Any:
    """Returns the graph of a frozen function, for tf2onnx.

    Loops and branches say nothing of the shapes of weights that they read, or "unknown", and
    tf2onnx believes it. What they do not change has the shape of what they are given.
    """
    graph = frozen.graph.as_graph_def(add_shapes=True)
    functions = {each.signature.name: each for each in graph.library.function}
    shapes = {node.name: list(_shapes(node.attr)) for node in graph.node}
    for node in graph.node:
        for attribute in {"then_branch", "else_branch", "body"}.intersection(node.attr):
            function = functions[node.attr[attribute].func.name]
            is_loop = attribute == "body"
            given = node.input if is_loop else node.input[1:]  # after the condition
            _set_shapes(function, [_shape(shapes, name) for name in given], is_loop)
    return graph


def _set_shapes(function: Any, given: list[Any], is_loop: bool) -> None:
    """Gives the arguments of a function the shapes that are given, where it has none for them."""
    returned = [function.ret[each.name] for each in function.signature.output_arg]
    for place, argument in enumerate(function.signature.input_arg):
        attributes = function.arg_attr[place].attr
        is_constant = not is_loop or returned[place] == argument.name
        if is_constant and all(each.unknown_rank for each in _shapes(attributes)):
            attributes["_output_shapes"].list.ClearField("shape")
            attributes["_output_shapes"].list.shape.append(given[place])


def _shape(shapes: dict[str, list[Any]], name: str) -> Any:
    node, _, place = name.partition(":")
    return shapes[node][int(place or 0)]


def _shapes(attributes: Any) -> Any:
    return attributes["_output_shapes"].list.shape if "_output_shapes" in attributes else ()


def _require_known(converted: onnx.ModelProto, part: Part) -> None:
    """Raises `ValueError` if there is something that tf2onnx left as it is in TensorFlow."""
    kinds = {node.op_type: node.domain for node in converted.graph.node}
    unknown = sorted(kind for kind, domain in kinds.items() if not onnx.defs.has(kind, domain))
    if unknown:
        names = [node.path for node in part.nodes]
        reason = f"tf2onnx does not know {unknown}"
        read = (edge.tensor for edge in part.inputs)
        if any(None in tensor.shape[1:] for tensor in read):
            reason += (
                " where sizes are not known: give `keras.Input` the whole shape (a subclassed "
                "model has to be built with `keras.Model(inputs, outputs)` for it)"
            )
        raise ValueError(
            f"ONNX has no form of {names[:5]}: {reason}. Or replace them, or export with "
            "format='tf_saved_model'."
        )
