"""What each part of a model becomes in a LiteRT file.

`write(node, writer, inputs, output)` adds operators to the file of a `Writer`; inputs and output
are indices of tensors.
"""

from __future__ import annotations

from collections.abc import Callable

from kerasopt.exporters.litert.operators import held_weights, moving, pooling
from kerasopt.exporters.operator_table import OperatorTable
from kerasopt.exporters.parts import Part

_TABLE = OperatorTable(
    "LiteRT",
    "litert",
    {
        "Concatenate": moving.concatenate,
        "MaxPooling2D": pooling.max_pooling,
        "Pad": moving.pad,
    },
    moving.reshape,
)


def operator_of(part: Part) -> Callable[..., None] | None:
    """Returns what writes a part, or `None` if TensorFlow's converter has to.

    Raises:
        ValueError: If it is an inference layer that LiteRT has no form of.
    """
    held = part.layer is None and part.affine is None
    if held and held_weights.holds_int8(part.nodes[0]):
        return held_weights.write
    return _TABLE.of(part)
