"""Operators of TensorFlow that tf2onnx does not know and ONNX can express."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# handler(context, node, name, args) replaces a node of TensorFlow in tf2onnx' graph.
Handler = Callable[..., None]


def _erfc(context: Any, node: Any, name: str, args: Any) -> None:
    erf = context.make_node("Erf", node.input)
    _replace(context, node, "Sub", _one(context, node), erf.output[0])


def _expm1(context: Any, node: Any, name: str, args: Any) -> None:
    power = context.make_node("Exp", node.input)
    _replace(context, node, "Sub", power.output[0], _one(context, node))


def _log1p(context: Any, node: Any, name: str, args: Any) -> None:
    more = context.make_node("Add", [node.input[0], _one(context, node)])
    _replace(context, node, "Log", more.output[0])


def _one(context: Any, node: Any) -> str:
    from tf2onnx.utils import make_name, map_onnx_to_numpy_type

    dtype = map_onnx_to_numpy_type(context.get_dtype(node.input[0]))
    return context.make_const(make_name("one"), np.array(1, dtype)).output[0]


def _replace(context: Any, node: Any, kind: str, *inputs: str) -> None:
    shapes, dtypes = node.output_shapes, node.output_dtypes
    outputs, name = node.output, node.name
    context.remove_node(name)
    context.make_node(kind, list(inputs), name=name, outputs=outputs, shapes=shapes, dtypes=dtypes)


HANDLERS: dict[str, Handler] = {"Erfc": _erfc, "Expm1": _expm1, "Log1p": _log1p}
