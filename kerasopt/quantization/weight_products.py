"""Placement of quantizers in products with weights in the code of layers."""

from __future__ import annotations

from collections.abc import Iterator

from kerasopt import graph
from kerasopt.graph import Graph, Group
from kerasopt.parametrization import FACTOR_SLOTS
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site, activation_site


def owners_of_products(read: Graph) -> set[int]:
    """Returns the ids of the layers whose code multiplies with their weights.

    Args:
        read: The `Graph` of a model.
    """
    products = map(graph.weight_product, read)
    return {id(product.layer) for product in products if product is not None}


def with_products(read: Graph, recipes: dict[int, Recipe], rules: list) -> dict[int, Recipe]:
    """Returns recipes in which products have that of the layer, unless a rule names them.

    Args:
        read: The `Graph` of a model.
        recipes: Dict of the id of a layer, or of a wrapped operation, to its `Recipe`.
        rules: List of (selector, `Recipe`).
    """
    found = dict(recipes)
    for node in read:
        product = graph.weight_product(node)
        named = any(rule.matches(node.path, node.operation) for rule in graph.parse_rules(rules))
        if product is not None and not named:
            found.pop(id(node.operation), None)
            if id(product.layer) in recipes:
                found[id(node.operation)] = recipes[id(product.layer)]
    return found


def weight_product_sites(group: Group, recipe: Recipe, reads_integers: bool) -> Iterator[Site]:
    """Yields the sites of a product of a tensor and a weight in the code of a layer.

    The weight has a scale for each output channel of each of its matrices.

    Args:
        group: A `Group` that begins with such a product.
        recipe: The `Recipe` of the group.
        reads_integers: Boolean, whether the tensor consists of integers already.
    """
    node, product = group.anchor, graph.weight_product(group.anchor)
    assert product is not None
    quantizer = recipe.weight(product.layer, product.name, product.layout)
    if quantizer is not None:
        path = node.path.rpartition("/")[0]
        yield Site(path, product.layer, product.name, quantizer)
    if recipe.is_static and not reads_integers:
        slot = FACTOR_SLOTS[product.position]
        yield from activation_site(node.path, node.operation, slot, recipe)
