"""What each layer becomes in a format, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasopt.exporters.parts import Part
from kerasopt.graph import Node, unwrap

# Names of layers and operations that only give a tensor another shape.
_RESHAPING = ("ExpandDims", "Flatten", "Reshape", "Squeeze")


@dataclass(frozen=True)
class OperatorTable:
    """The functions that write the parts of a model.

    Args:
        format: String, the name of the format, for messages.
        integer_layers: Dict of the class of an integer layer to its function.
        moving: Dict of the name of the class of a layer or operation, which moves integers, to
            its function; what is not in it is converted in float32.
        reshape: The function of all that only gives a tensor another shape.
        moves_int16: Boolean, whether the format moves int16 values as it does int8 ones. Else they
            are converted in float32.
    """

    format: str
    integer_layers: dict[type, Callable[..., None]]
    moving: dict[str, Callable[..., None]]
    reshape: Callable[..., None]
    moves_int16: bool = True

    def of(self, part: Part) -> Callable[..., Any] | None:
        """Returns what writes a part, or `None` if a converter has to.

        Raises:
            ValueError: If it is an integer layer that the format has no form of.
        """
        layer = part.layer
        if layer is not None:
            if type(layer) not in self.integer_layers:
                raise ValueError(
                    f"{self.format} has no form of '{layer.name}' ({type(layer).__name__}). Export "
                    "with format='tf_saved_model'."
                )
            return self.integer_layers[type(layer)]
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
