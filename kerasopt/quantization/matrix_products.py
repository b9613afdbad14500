"""Placement of quantizers in products of matrices."""

from __future__ import annotations

from collections.abc import Iterator

from kerasopt import graph
from kerasopt.graph import Group
from kerasopt.parametrization import FACTOR_SLOTS
from kerasopt.quantization.integer_groups import IntegerGroups
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site, activation_site


def factor_sites(group: Group, groups: IntegerGroups, recipe: Recipe) -> Iterator[Site]:
    """Yields the sites of the factors that are no integers yet.

    Args:
        group: A `Group` that multiplies matrices of integers.
        groups: The `IntegerGroups` of the model.
        recipe: The `Recipe` of the group.
    """
    node, product = group.anchor, graph.matrix_product(group.anchor)
    assert product is not None
    for position, (slot, edge) in enumerate(zip(FACTOR_SLOTS, node.inputs, strict=True)):
        if not groups.has_integers_after(edge):
            # A softmax with a mask is float, its range is known nevertheless.
            axis = graph.softmax_axis(groups.groups.origin(edge).output.operation)
            how = {
                "range": None if axis is None else (0.0, 1.0),
                "symmetric": position == product.positions[1],
            }
            yield from activation_site(node.path, node.operation, slot, recipe, **how)
