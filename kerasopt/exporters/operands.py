"""What calls read: tensors of the graph, and integers that are constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt.graph import Edge, Node
from kerasopt.inference import Affine


@dataclass(frozen=True, eq=False)
class Constant:
    """Integers that a call reads and nothing computes, such as a table of positions.

    Attributes:
        tensor: Array of integers.
        affine: What they stand for.
    """

    tensor: np.ndarray
    affine: Affine


def operands(node: Node, affine: Affine | None) -> list[Edge | Constant]:
    """Returns what a call reads, in its order.

    Args:
        node: A call of an inference layer, or one that moves integers.
        affine: What integers stand for that it moves.
    """
    edges, given = node.edges, node.keras_node.arguments
    affines: Any = getattr(node.operation, "input_affine", affine)
    found: list[Edge | Constant] = []
    for leaf in keras.tree.flatten((given.args, given.kwargs)):
        if id(leaf) in edges:
            found.append(edges[id(leaf)])
        elif keras.ops.is_tensor(leaf):
            own = affines[len(found)] if isinstance(affines, tuple) else affines
            found.append(Constant(keras.ops.convert_to_numpy(leaf), own))
    return found
