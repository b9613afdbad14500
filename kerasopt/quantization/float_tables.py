"""Embedding tables that stay float because no rule names them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import keras

from kerasopt import graph
from kerasopt.parametrization import ACTIVATION_SLOTS
from kerasopt.quantization.site import Site
from kerasopt.warning import warn

_FLOAT = 4  # bytes of a value
_LARGE_SHARE = 1 / 3


def warn_of_tables(
    model: keras.Model, sites: Sequence[Site], rules: Sequence, left: Collection[int] = ()
) -> None:
    """Warns if embedding tables that no rule names are a large share of the model's size.

    Args:
        model: A built model.
        sites: The sites of its quantizers.
        rules: The rules that they follow.
        left: Ids of layers that are excluded for another reason.
    """
    rules = graph.parse_rules(rules)
    rounded = {(id(site.layer), site.slot) for site in sites}
    tables = {
        path: sum(_bytes(getattr(layer, name)) for name in graph.weight_names(layer))
        for path, layer in graph.layers(model)
        if isinstance(layer, keras.layers.Embedding)
        and id(layer) not in left
        and (id(layer), "embeddings") not in rounded
        and not any(rule.matches(path, layer) for rule in rules)
    }
    total = sum(map(_bytes, model.weights)) - sum(map(_saved, sites))
    if sum(tables.values()) <= _LARGE_SHARE * total:
        return
    added = ", ".join(f'("{path}", "int8_weight_only")' for path in list(tables)[:3])
    if len(tables) > 3:
        added = '(keras.layers.Embedding, "int8_weight_only")'
    warn(
        f"{sum(tables.values()):,} of the {total:,} bytes of '{model.name}' after quantization are "
        f"embedding tables, which stay float32 unless a rule names them. Pass rules=[{added}] to "
        "quantize them, or the same with None instead of the spec to silence this warning.",
    )


def _bytes(variable: keras.Variable) -> int:
    return math.prod(variable.shape) * _FLOAT


def _saved(site: Site) -> int:
    """Returns the number of bytes that a weight quantizer saves."""
    if site.slot in ACTIVATION_SLOTS:
        return 0
    values = math.prod(getattr(site.layer, site.slot).shape)
    return values * _FLOAT - math.ceil(values * site.quantizer.bits / 8)
