"""What each layer becomes in a format, as a table."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasopt.exporters.parts import Part
from kerasopt.graph import Node, unwrap
from kerasopt.inference import InferenceLayer
from kerasopt.lowering.table import CONVERTED, Unsupported, row_of

# Names of layers and operations that only give a tensor another shape.
_RESHAPING = ("ExpandDims", "Flatten", "Reshape", "Squeeze")


@dataclass(frozen=True)
class OperatorTable:
    """The functions that write the parts of a model.

    Args:
        format: String, the name of the format, for messages.
        room: String, the name of the package of the functions, and of the column of
            `kerasopt.lowering.table` that says which one is a layer's.
        moving: Dict of the name of the class of a layer or operation, which moves integers, to
            its function; what is not in it is converted in float32.
        reshape: The function of all that only gives a tensor another shape.
        moves_int16: Boolean, whether the format moves int16 values as it does int8 ones. Else they
            are converted in float32.
    """

    format: str
    room: str
    moving: dict[str, Callable[..., None]]
    reshape: Callable[..., None]
    moves_int16: bool = True

    def of(self, part: Part) -> Callable[..., Any] | None:
        """Returns what writes a part, or `None` if a converter has to.

        Raises:
            ValueError: If it is an inference layer that the format has no form of.
        """
        row = row_of(part.nodes[0].operation)
        writer = Unsupported("") if row is None else getattr(row, self.room)
        if isinstance(writer, str) and writer != CONVERTED:
            return pkgutil.resolve_name(f"kerasopt.exporters.{self.room}.operators.{writer}")
        if part.layer is not None:
            raise ValueError(_refusal(self.format, part.layer, writer))
        if part.affine is None or (part.affine.bits == 16 and not self.moves_int16):
            return None
        node = part.nodes[0]
        operation: Any = unwrap(node.operation)
        if getattr(operation, "data_format", None) == "channels_first":
            return None  # all of these are written for channels that come last
        name = type(operation).__name__
        if name in _RESHAPING and _is_plain(node):
            return self.reshape
        return self.moving.get(name)


def _is_plain(node: Node) -> bool:
    """Whether the output's shape says all about a reshaping."""
    return list(node.keras_node.outputs[0].shape).count(None) <= 1


def _refusal(format: str, layer: InferenceLayer, unsupported: Unsupported) -> str:
    reason = f": {unsupported.reason}" if unsupported.reason else ""
    return (
        f"{format} has no form of '{layer.name}' ({type(layer).__name__}){reason}. Export with "
        "format='tf_saved_model'."
    )
