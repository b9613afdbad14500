"""float64 in what LiteRT computes: it has none, so that it becomes float32.

Keras gives `x / np.sqrt(8)` the dtype float64, since a number of NumPy has that dtype.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2, types_pb2
from tensorflow.python.framework import tensor_util

_WIDE, _NARROW = types_pb2.DT_DOUBLE, types_pb2.DT_FLOAT
_LARGEST = np.finfo("float32").max


def narrowed(function: Any) -> Any:
    """Returns a frozen function that computes in float32 what a given one does in float64.

    Args:
        function: A concrete function without variables and without functions that it calls.
    """
    graph: graph_pb2.GraphDef = function.graph.as_graph_def()
    wide = [node for node in graph.node if any(map(_is_wide, node.attr.values()))]
    if not wide:
        return function
    for node in wide:
        for value in node.attr.values():
            _narrow(value)
    names = [[tensor.name for tensor in end] for end in (function.inputs, function.outputs)]
    imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    return imported.prune(*([imported.graph.get_tensor_by_name(n) for n in end] for end in names))


def _is_wide(value: Any) -> bool:
    return _WIDE in (value.type, value.tensor.dtype, *value.list.type)


def _narrow(value: Any) -> None:
    if value.type == _WIDE:
        value.type = _NARROW
    for place, each in enumerate(value.list.type):
        if each == _WIDE:
            value.list.type[place] = _NARROW
    if value.tensor.dtype == _WIDE:
        numbers = tensor_util.MakeNdarray(value.tensor)
        # The smallest number is in masks: an infinite one would be NaN where it is not added.
        finite = np.where(np.isinf(numbers), numbers, np.clip(numbers, -_LARGEST, _LARGEST))
        value.tensor.CopyFrom(tensor_util.make_tensor_proto(finite.astype("float32")))
