"""Products of int8 rows with weights in integers, among the operators of a converted graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerasopt.exporters.held_constants import Integers

# onnxruntime has fast kernels of unsigned rows only.
OFFSET = 128


def multiply_integers(graph: Any, kernel: str, found: Integers) -> bool:
    """Replaces the products of int8 rows with a constant by those of integers.

    Args:
        graph: A graph of a model that was converted. It is changed.
        kernel: String, the name of the constant.
        found: The integers that it stands for.

    Returns:
        Whether all that reads the constant is such a product.
    """
    writers = {name: node for node in graph.node for name in node.output}
    readers = {at: node for at, node in enumerate(graph.node) if kernel in node.input}
    rows = {at: _rows(node, kernel, writers) for at, node in readers.items()}
    is_scaled = max(found.scale.shape[:-1], default=1) > 1  # otherwise than by outputs
    if None in rows.values() or found.codes.ndim != 2 or is_scaled:
        return False
    scale = np.broadcast_to(found.scale, (1, found.codes.shape[1])).ravel()
    _add_constant(graph, f"{kernel}/integers", found.codes)
    _add_constant(graph, f"{kernel}/scale", scale)
    for at, node in sorted(readers.items(), reverse=True):
        del graph.node[at]
        for each in reversed(_product(node.output[0], kernel, rows[at])):
            graph.node.insert(at, each)
    for name in sorted(set(filter(None, rows.values())) - _written(graph, "/bytes")):
        _add_bytes(graph, name)
    return True


def _rows(node: Any, kernel: str, writers: dict[str, Any]) -> str | None:
    """Returns the whole numbers from -128 to 127, as floats, that a product reads; or `None`."""
    if node.op_type != "MatMul" or node.input[1] != kernel:
        return None
    name = node.input[0]
    for dtype in (TensorProto.FLOAT, TensorProto.INT8):
        cast = writers.get(name)
        if cast is None or cast.op_type != "Cast" or cast.attribute[0].i != dtype:
            return None
        name = cast.input[0]
    return name


def _product(output: str, kernel: str, rows: str | None) -> list[onnx.NodeProto]:
    sums, real = f"{output}/sums", f"{output}/real"
    integers = [f"{rows}/bytes", f"{kernel}/integers", f"{rows}/zero_point"]
    return [
        helper.make_node("MatMulInteger", integers, [sums]),
        helper.make_node("Cast", [sums], [real], to=TensorProto.FLOAT),
        helper.make_node("Mul", [real, f"{kernel}/scale"], [output]),
    ]


def _add_bytes(graph: Any, rows: str) -> None:
    """Adds the unsigned bytes of whole numbers, right after these."""
    _add_constant(graph, f"{rows}/offset", np.float32(OFFSET))
    _add_constant(graph, f"{rows}/zero_point", np.uint8(OFFSET))
    shifted = f"{rows}/shifted"
    at = next((at for at, node in enumerate(graph.node) if rows in node.output), -1) + 1
    cast = helper.make_node("Cast", [shifted], [f"{rows}/bytes"], to=TensorProto.UINT8)
    graph.node.insert(at, cast)
    graph.node.insert(at, helper.make_node("Add", [rows, f"{rows}/offset"], [shifted]))


def _add_constant(graph: Any, name: str, values: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def _written(graph: Any, ending: str) -> set[str]:
    """Returns what tensors whose names have an ending are called without it."""
    names = (name for node in graph.node for name in node.output)
    return {name.removesuffix(ending) for name in names if name.endswith(ending)}
