"""Where the quantizers of `MultiHeadAttention` go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from kerasopt import graph
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site, activation_site, weight_sites

_PROJECTIONS = ("_query_dense", "_key_dense", "_value_dense")


def attention_recipe(operation: keras.Operation, recipes: dict[int, Recipe]) -> Recipe | None:
    """Returns how an attention is quantized as a whole.

    Args:
        operation: A layer or operation of any kind.
        recipes: Dict of the id of a layer to its `Recipe`.

    Returns:
        A `Recipe`; `None` for other layers, and where a projection is left out, or activations
        are not rounded to integers of one scale.
    """
    if not _attends_along_one_axis(operation):
        return None
    found = [recipes.get(id(dense)) for dense in projections(operation)]
    if any(recipe is None or not recipe.is_static for recipe in found):
        return None
    return found[-1]


def projections(attention) -> list[keras.Layer]:
    """Returns the projections of query, key, value and output."""
    return [getattr(attention, name) for name in (*_PROJECTIONS, "_output_dense")]


def attention_sites(
    path: str, attention, recipes: dict[int, Recipe], reads_integers: bool
) -> Iterator[Site]:
    """Yields where quantizers go in an attention, but for that of its output.

    Every tensor in it is quantized: the projected query, key and value, the scores, the weights
    that softmax makes of them, and what the output's projection reads.

    Args:
        path: The path of the attention.
        attention: A `keras.layers.MultiHeadAttention` that has an `attention_recipe`.
        recipes: Dict of the id of a layer to its `Recipe`.
        reads_integers: Whether its inputs are integers already.
    """
    *names, last = (*_PROJECTIONS, "_output_dense")
    for name in names:
        dense = getattr(attention, name)
        recipe, place = recipes[id(dense)], f"{path}/{name}"
        yield from weight_sites(place, dense, recipe)
        if not reads_integers:
            yield from activation_site(place, dense, "input", recipe)
        # LiteRT multiplies by integers whose zero point is 0 only.
        symmetric = name != "_query_dense"
        yield from activation_site(place, dense, "output", recipe, symmetric=symmetric)
    dense = getattr(attention, last)
    recipe = recipes[id(dense)]
    softmax, place = attention._softmax, f"{path}/_softmax"
    yield from activation_site(place, softmax, "input", recipe)
    yield from activation_site(place, softmax, "output", recipe, range=(0.0, 1.0))
    yield from weight_sites(f"{path}/{last}", dense, recipe)
    yield from activation_site(f"{path}/{last}", dense, "input", recipe)


def _attends_along_one_axis(operation) -> bool:
    if not isinstance(operation, keras.layers.MultiHeadAttention):
        return False
    own: Any = graph.own_class(operation)
    known = keras.layers.MultiHeadAttention
    return (
        tuple(operation._attention_axes) == (1,)
        and not operation._flash_attention
        and not getattr(operation, "_use_gate", False)
        # A subclass may compute anything else with the same projections.
        and (own.call, own._compute_attention) == (known.call, known._compute_attention)
    )
