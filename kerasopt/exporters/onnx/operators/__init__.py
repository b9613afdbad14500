"""What each part of a model becomes in an ONNX graph.

`write(node, writer)` adds operators to the graph of a `Writer`.
"""

from __future__ import annotations

from kerasopt.exporters.onnx.operators import moving, pooling
from kerasopt.exporters.operator_table import OperatorTable

TABLE = OperatorTable(
    "ONNX",
    "onnx",
    {
        "Concatenate": moving.concatenate,
        "MaxPooling2D": pooling.maximum,
        "Pad": moving.pad,
        "Permute": moving.permute,
    },
    moving.reshape,
    moves_int16=False,
)
