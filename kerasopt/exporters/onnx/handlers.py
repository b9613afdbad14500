"""Operators of TensorFlow that tf2onnx does not know and ONNX can express."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto

# handler(context, node, name, args) replaces a node of TensorFlow in tf2onnx' graph.
Handler = Callable[..., None]


def _erfc(context: Any, node: Any, name: str, args: Any) -> None:
    erf = context.make_node("Erf", node.input)
    _replace(context, node, "Sub", _one(context, node), erf.output[0])


def _expm1(context: Any, node: Any, name: str, args: Any) -> None:
    power = context.make_node("Exp", node.input)
    _replace(context, node, "Sub", power.output[0], _one(context, node))


def _floor_mod(context: Any, node: Any, name: str, args: Any) -> None:
    # tf2onnx rounds quotients of integers to zero, here and below.
    if _is_integer(context, node):
        _replace(context, node, "Mod", *node.input)
    else:
        floor = context.make_node("Floor", context.make_node("Div", node.input).output)
        product = context.make_node("Mul", [floor.output[0], node.input[1]])
        _replace(context, node, "Sub", node.input[0], product.output[0])


def _floor_div(context: Any, node: Any, name: str, args: Any) -> None:
    x, y = node.input
    if _is_integer(context, node):
        rest = context.make_node("Mod", [x, y])
        multiple = context.make_node("Sub", [x, rest.output[0]])
        _replace(context, node, "Div", multiple.output[0], y)
    else:
        quotient = context.make_node("Div", [x, y])
        _replace(context, node, "Floor", quotient.output[0])


def _log1p(context: Any, node: Any, name: str, args: Any) -> None:
    more = context.make_node("Add", [node.input[0], _one(context, node)])
    _replace(context, node, "Log", more.output[0])


def _resize(context: Any, node: Any, name: str, args: Any) -> None:
    # tf2onnx writes the ratio of the sizes, of which onnxruntime makes 6 pixels where 7 are meant.
    from tf2onnx.utils import make_name

    is_linear = node.type == "ResizeBilinear"
    middle = node.get_attr_value("half_pixel_centers", 0)
    corners = node.get_attr_value("align_corners", 0)
    coordinates = "align_corners" if corners else "asymmetric"
    if middle:
        coordinates = "half_pixel" if is_linear else "tf_half_pixel_for_nn"
    how = {
        "mode": "linear" if is_linear else "nearest",
        "nearest_mode": "round_prefer_ceil" if corners else "floor",
        "coordinate_transformation_mode": coordinates,
    }
    images = context.make_node("Transpose", node.input[:1], attr={"perm": [0, 3, 1, 2]})
    sizes = context.make_node("Cast", node.input[1:], attr={"to": TensorProto.INT64})
    kept = context.make_node("Shape", images.output, attr={"end": 2})
    parts = [kept.output[0], sizes.output[0]]
    sizes = context.make_node("Concat", parts, attr={"axis": 0})
    inputs = [images.output[0], "", "", sizes.output[0]]
    resized = context.make_node("Resize", inputs, name=make_name(name), attr=how)
    _replace(context, node, "Transpose", resized.output[0], perm=[0, 2, 3, 1])


def _unknown(context: Any, node: Any, name: str, args: Any) -> None:
    # tf2onnx writes another interpolation, or one that onnxruntime has for some sizes only.
    pass


def _is_integer(context: Any, node: Any) -> bool:
    return context.get_dtype(node.input[0]) in (TensorProto.INT32, TensorProto.INT64)


def _one(context: Any, node: Any) -> str:
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    dtype = map_onnx_to_numpy_type(context.get_dtype(node.input[0]))
    return context.make_const(make_name("one"), np.array(1, dtype)).output[0]


def _replace(context: Any, node: Any, kind: str, *inputs: str, **how: Any) -> None:
    shapes, dtypes = node.output_shapes, node.output_dtypes
    outputs, name = node.output, node.name
    context.remove_node(name)
    context.make_node(
        kind, list(inputs), how, name=name, outputs=outputs, shapes=shapes, dtypes=dtypes
    )


HANDLERS: dict[str, Handler] = {
    "Erfc": _erfc,
    "Expm1": _expm1,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "Log1p": _log1p,
    "ResizeArea": _unknown,
    "ResizeBicubic": _unknown,
    "ResizeBilinear": _resize,
    "ResizeNearestNeighbor": _resize,
}
