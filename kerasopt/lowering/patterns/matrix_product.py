"""Products of matrices of two tensors to `QuantizedBatchMatMul`, between permutations of axes."""

from __future__ import annotations

import math

from kerasopt.graph import Group, MatrixProduct, Node, matrix_product, scaling
from kerasopt.inference import Affine
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns.axes import keeps_order, permuted, with_shape
from kerasopt.lowering.patterns.contraction import output_of
from kerasopt.lowering.patterns.pairs import two_inputs
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return matrix_product(group.anchor) is not None


def lower(group: Group, builder: Builder) -> None:
    product = matrix_product(group.anchor)
    assert product is not None
    output = output_of(group).affine
    values, _ = two_inputs(group, builder)
    first, second = (values[position] for position in product.positions)
    axes = _axes_of_matrices(product, first, second)
    factors = _arranged(first, product.first, axes[0]), _arranged(second, product.second, axes[1])
    factor = scaling(group.output) or 1.0
    order = ["".join(axes[2]).index(x) for x in product.output][1:]
    # What computes the output, axis by axis, has the name.
    ending = "" if keeps_order(order) else "_products"
    made = multiplied(group.anchor, builder, factors, output, factor, ending)
    if "" in axes[2]:
        sizes = zip(axes[2], made.tensor.shape, strict=True)
        made = with_shape(made, [size for axis, size in sizes if axis][1:])
    name = builder.name(group.anchor) if ending else None
    builder.put(group.output, permuted(made, order, name))


def multiplied(
    node: Node,
    builder: Builder,
    values: tuple[Value, Value],
    output: Affine,
    factor: float = 1.0,
    name: str = "",
) -> Value:
    """Multiplies the matrices of two values, with a layer for a node and the ending of its name."""
    affines = tuple(value.affine for value in values if value.affine is not None)
    if affines[1].zero_point:
        # LiteRT has no such product.
        raise StaysFloat("the zero point of its second factor is not 0")
    layer = builder.layer(
        node,
        (affines, output, name),
        lambda unique: QuantizedBatchMatMul(
            factor, input_affine=affines, output_affine=output, name=unique
        ),
        name,
    )
    return Value(layer([value.tensor for value in values]), output)


def _axes_of_matrices(
    product: MatrixProduct, first: Value, second: Value
) -> tuple[list[str], list[str], list[str]]:
    """Returns the axes of both factors, matrices in batches, and of their product.

    Each is a string of axes of the source: several are merged, none is an axis of size 1. Of more
    than one axis of rows (or columns) the longest is that of the matrices, and the others are of
    the batch, along which the other factor is repeated.
    """
    row, other_rows = _longest(product.rows, product.first, first)
    column, other_columns = _longest(product.columns, product.second, second)
    batch = list(product.batch)
    return (
        [*batch, *other_rows, *[""] * len(other_columns), row, product.depth],
        [*batch, *[""] * len(other_rows), *other_columns, product.depth, column],
        [*batch, *other_rows, *other_columns, row, column],
    )


def _longest(candidates: str, axes: str, value: Value) -> tuple[str, str]:
    """Returns the longest of some axes of a value, and the others."""
    sizes = dict(zip(axes, value.tensor.shape, strict=True))
    found = max(candidates, key=lambda x: sizes[x] or math.inf, default="")
    return found, candidates.replace(found, "")


def _arranged(value: Value, axes: str, wanted: list[str]) -> Value:
    """Returns a value with the axes of `_axes_of_matrices`."""
    sizes = dict(zip(axes, value.tensor.shape, strict=True))
    value = permuted(value, [axes.index(x) for x in "".join(wanted)][1:])
    if all(len(merged) == 1 for merged in wanted):
        return value
    known = [[sizes[x] for x in merged] for merged in wanted]
    return with_shape(value, [None if None in x else math.prod(x) for x in known][1:])
