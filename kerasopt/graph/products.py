"""The multiply-accumulates of one product of two tensors."""

from __future__ import annotations

import math
from typing import Any

from kerasopt.graph.matrix_products import matrix_product
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.parametrized import own_class
from kerasopt.keras_internals.attention import is_plain

Shape = tuple[int, ...]


def multiply_accumulates_of(node: Node, shapes: list[Shape]) -> int:
    """Returns the multiply-accumulates of a product of tensors, 0 for any other call.

    Args:
        node: A `Node`. Products are those of `matrix_product`, both of attention that is computed
            as a whole, and integer layers with `multiplies_matrices`.
        shapes: List of tuples, the shape of each of its inputs.
    """
    product = matrix_product(node)
    if product is not None:
        terms = (product.first, product.second)
        sizes: dict[str, int] = {}
        for term, position in zip(terms, product.positions, strict=True):
            for axis, size in zip(term, shapes[position], strict=True):
                sizes[axis] = max(size, sizes.get(axis, 1))  # one of the two may be repeated
        return math.prod(sizes.values())
    if getattr(node.operation, "multiplies_matrices", False):
        first, second = shapes
        batch = max(math.prod(first[:-2]), math.prod(second[:-2]))
        return batch * math.prod(first[-2:]) * second[-1]
    given = map(id, node.keras_node.input_tensors)
    return _of_attention(node, dict(zip(given, shapes, strict=True)))


def _of_attention(node: Node, shapes: dict[int, Shape]) -> int:
    """Returns those of scores and of weighted sums, given the shapes by the ids of arguments."""
    operation: Any = unwrap(node.operation)
    is_layer = is_plain(operation, own_class(operation))
    if not is_layer and type(operation).__name__ != "DotProductAttention":
        return 0
    given = node.arguments
    query, value = (shapes[id(given[name])] for name in ("query", "value"))
    if is_layer:
        depth = operation.num_heads * (operation.key_dim + operation.value_dim)
    else:
        depth = query[2] * (query[3] + value[3])
    return query[0] * query[1] * value[1] * depth
