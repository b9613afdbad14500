"""Contractions of two tensors that are products of matrices, as attention has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.graph.elementwise import as_number
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap

_AXES = "abcdefghijklmnopqrstuvwxyz"
_OPERATIONS = ("Einsum", "Matmul")


@dataclass(frozen=True)
class MatrixProduct:
    """A contraction of two tensors, as the product of batches of matrices.

    Every axis has a letter. An axis of both factors and of the output is one of the batch, an axis
    of both factors alone is summed over.

    Attributes:
        first: String, the axes of the first factor, the one with the rows of the output.
        second: String, the axes of the second factor, the one with its columns.
        output: String, the axes of the output.
        positions: Tuple, which tensors of the call are the first and the second factor.
    """

    first: str
    second: str
    output: str
    positions: tuple[int, int] = (0, 1)

    @property
    def batch(self) -> str:
        """The axes along which matrices are multiplied one by one."""
        return "".join(x for x in self.output if x in self.first and x in self.second)

    @property
    def rows(self) -> str:
        """The axes of the output that only the first factor has."""
        return "".join(x for x in self.output if x not in self.second)

    @property
    def columns(self) -> str:
        """The axes of the output that only the second factor has."""
        return "".join(x for x in self.output if x not in self.first)

    @property
    def depth(self) -> str:
        """The axes that are summed over."""
        return "".join(x for x in self.first if x not in self.output)


def matrix_product(node: Node) -> MatrixProduct | None:
    """Returns the product of matrices that a call computes, or `None`.

    These are `keras.ops.matmul`, `keras.ops.einsum` and `keras.layers.Dot` of two tensors. The
    first axis of both must be that of the examples. A repeated axis, a sum over an axis of one
    tensor, and products without a sum are none.
    """
    if len(node.inputs) != 2 or not may_be_matrix_product(node.operation):
        return None
    ranks = [len(edge.tensor.shape) for edge in node.inputs]
    axes = axes_of(unwrap(node.operation), *ranks)
    return None if axes is None else _arranged(*axes)


def may_be_matrix_product(operation: keras.Operation) -> bool:
    """Whether a call of `operation` may be a product of matrices."""
    operation = unwrap(operation)
    if isinstance(operation, keras.layers.Dot):
        return not operation.normalize
    return not isinstance(operation, keras.Layer) and type(operation).__name__ in _OPERATIONS


def scaling(node: Node) -> float | None:
    """Returns the positive number that a call multiplies its only input with, or `None`."""
    operation = unwrap(node.operation)
    kind = type(operation).__name__
    if isinstance(operation, keras.Layer) or len(node.inputs) != 1:
        return None
    arguments = [as_number(value) for value in node.keras_node.arguments.args]
    numbers = [number for number in arguments if number is not None]
    if len(arguments) != 2 or len(numbers) != 1 or numbers[0] <= 0.0:
        return None
    if kind == "Multiply":
        return numbers[0]
    return 1.0 / numbers[0] if kind.endswith("Divide") and arguments[0] is None else None


def axes_of(operation: Any, rank0: int, rank1: int) -> tuple[str, str, str] | None:
    """Returns the axes of two tensors that an operation multiplies, and of its output, or `None`.

    Args:
        operation: One that `may_be_matrix_product`.
        rank0: Integer, the number of axes of the first tensor.
        rank1: Integer, that of the second one.
    """
    if isinstance(operation, keras.layers.Dot):
        return _axes_of_dot(operation.axes, rank0, rank1)
    if type(operation).__name__ == "Einsum":
        axes = axes_of_einsum(operation.subscripts, (rank0, rank1))
        return None if axes is None else (axes[0], axes[1], axes[2])
    if min(rank0, rank1) < 2:
        return None
    batch = _AXES[: max(rank0, rank1) - 2]
    first, second = (batch[len(batch) - rank + 2 :] for rank in (rank0, rank1))
    return first + "yz", second + "zx", batch + "yx"


def _axes_of_dot(axes: Any, rank0: int, rank1: int) -> tuple[str, str, str] | None:
    given = (axes, axes) if isinstance(axes, int) else axes
    summed = [axis % rank for axis, rank in zip(given, (rank0, rank1), strict=True)]
    if 0 in summed or max(rank0, rank1) < 3:
        return None
    first, second = _AXES[:rank0], _AXES[0] + _AXES[rank0 : rank0 + rank1 - 1]
    output = first.replace(first[summed[0]], "") + second[1:].replace(second[summed[1]], "")
    return first, second.replace(second[summed[1]], first[summed[0]]), output


def axes_of_einsum(subscripts: Any, ranks: Sequence[int]) -> tuple[str, ...] | None:
    """Returns the axes of each tensor of an einsum, and of its output, or `None`."""
    if not isinstance(subscripts, str):
        return None
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow or len(terms) != len(ranks):
        return None
    # An ellipsis stands for the same axes in all.
    counts = {
        rank - len(term) + 3 for term, rank in zip(terms, ranks, strict=True) if "..." in term
    }
    if len(counts) > 1:
        return None
    free = [axis for axis in _AXES if axis not in subscripts]
    shared = "".join(free[: counts.pop() if counts else 0])
    return tuple(term.replace("...", shared) for term in (*terms, output))


def _arranged(first: str, second: str, output: str) -> MatrixProduct | None:
    """Returns the product with the factor first whose axes the output has first, or `None`."""
    product = MatrixProduct(first, second, output)
    if output.strip(product.batch)[:1] in product.columns:
        product = MatrixProduct(second, first, output, (1, 0))
    terms = (first, second, output)
    repeats = any(len(set(term)) < len(term) for term in terms)
    same_examples = len({term[:1] for term in terms}) == 1
    # What only one tensor has may not be summed over.
    sums = set(first) - set(output) == set(second) - set(output) != set()
    has_matrix = bool(product.rows or product.columns)
    return product if same_examples and sums and has_matrix and not repeats else None
