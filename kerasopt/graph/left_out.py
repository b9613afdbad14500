"""Matrices that are not recognized as kernels."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import keras

from kerasopt.graph.parametrized import own_class
from kerasopt.graph.rules import Rule, parse_rules
from kerasopt.graph.traversal import layers
from kerasopt.graph.weights import kernel_names, own_variables
from kerasopt.keras_internals.variables import variable_of

# Smaller shares do not cause a warning.
_LARGE_SHARE = 1 / 3


def large_matrices_left_out(
    model: keras.Model, rules: Sequence[Any], selected: Collection[tuple[int, str]] = ()
) -> dict[str, int]:
    """Returns matrices that are left out because of their names, if they are a large share.

    Kernels are recognized by their name, `kernel` in all of Keras. Custom layers may use other
    names (the experts of a mixture are often one array `w`).

    Args:
        model: A built model.
        rules: The rules by which weights were selected: weights that they name are not left out.
        selected: Pairs of the id of a layer and the name of a weight that are selected.

    Returns:
        Dict of the path of each such weight to its number of values. Empty if they are at most a
        third of the compressible values.
    """
    rules = parse_rules(rules)
    found: dict[str, int] = {}
    kernels = 0
    for path, layer in layers(model):
        kernels += sum(_size(variable_of(layer, name)) for name in kernel_names(layer))
        for name, variable in _other_matrices(layer).items():
            left = (id(layer), name) not in selected
            if left and not any(_decides(rule, path, layer, name) for rule in rules):
                found[f"{path}/{name}"] = _size(variable)
    others = sum(found.values())
    return found if others > _LARGE_SHARE * (others + kernels) else {}


def _decides(rule: Rule, path: str, layer: keras.Layer, name: str) -> bool:
    return rule.names(path, layer, name) or (rule.argument is None and rule.matches(path, layer))


def _other_matrices(layer: keras.Layer) -> dict[str, keras.Variable]:
    """Returns the trainable variables with several axes of a custom layer."""
    if own_class(layer).__module__.startswith("keras."):
        return {}
    known = {id(variable_of(layer, name)) for name in kernel_names(layer)}
    matrices = {
        id(x)
        for x in own_variables(layer)
        if x.trainable and len(x.shape) > 1 and id(x) not in known
    }
    return {
        name: value
        for name, value in vars(layer).items()
        if id(value) in matrices and not name.endswith("bias")
    }


def _size(variable: keras.Variable) -> int:
    return math.prod(variable.shape)
