"""Placement of quantizers in `MultiHeadAttention`."""

from __future__ import annotations

from collections.abc import Iterator

import keras

from kerasopt import graph
from kerasopt.keras_internals.attention import PROJECTIONS, QUERY, SOFTMAX, is_plain, softmax_of
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site, activation_site, weight_sites


def attention_recipe(operation: keras.Operation, recipes: dict[int, Recipe]) -> Recipe | None:
    """Returns the recipe by which an attention layer is quantized as a whole.

    Args:
        operation: A layer or operation of any kind.
        recipes: Dict of the id of a layer to its `Recipe`.

    Returns:
        A `Recipe`; `None` for other layers, if a projection is not quantized, or if activations are
        not rounded to integers with one scale.
    """
    if not is_plain(operation, graph.own_class(operation)):
        return None
    found = [recipes.get(id(dense)) for dense in projections(operation)]
    if any(recipe is None or not recipe.is_static for recipe in found):
        return None
    return found[-1]


def projections(attention) -> list[keras.Layer]:
    """Returns the projections of query, key, value and output."""
    return [getattr(attention, name) for name in PROJECTIONS]


def attention_sites(
    path: str, attention, recipes: dict[int, Recipe], reads_integers: bool
) -> Iterator[Site]:
    """Yields the sites of quantizers in an attention layer, except for its output.

    Every tensor is quantized: the projected query, key and value, the scores, their softmax, and
    the input of the output projection.

    Args:
        path: The path of the attention layer.
        attention: A `keras.layers.MultiHeadAttention` that has an `attention_recipe`.
        recipes: Dict of the id of a layer to its `Recipe`.
        reads_integers: Whether its inputs are integers already.
    """
    *names, last = PROJECTIONS
    for name in names:
        dense = getattr(attention, name)
        recipe, place = recipes[id(dense)], f"{path}/{name}"
        yield from weight_sites(place, dense, recipe)
        if not reads_integers:
            yield from activation_site(place, dense, "input", recipe)
        # LiteRT supports only zero point 0 in this factor.
        symmetric = name != QUERY
        yield from activation_site(place, dense, "output", recipe, symmetric=symmetric)
    dense = getattr(attention, last)
    recipe = recipes[id(dense)]
    softmax, place = softmax_of(attention), f"{path}/{SOFTMAX}"
    yield from activation_site(place, softmax, "input", recipe)
    yield from activation_site(place, softmax, "output", recipe, range=(0.0, 1.0))
    yield from weight_sites(f"{path}/{last}", dense, recipe)
    yield from activation_site(f"{path}/{last}", dense, "input", recipe)
