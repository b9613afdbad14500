"""Finds the weights of a student and those of its teacher that belong together."""

from __future__ import annotations

import collections
import difflib
import fnmatch
import re
from collections.abc import Callable
from typing import NamedTuple

import keras

from kerasopt import graph

Tree = list[tuple[str, keras.Variable]]

# That many differences are listed.
_LISTED = 8


class Copy(NamedTuple):
    """The paths of a part of a student and of a part of its teacher, and their weights."""

    student: str
    teacher: str
    weights: list[tuple[keras.Variable, keras.Variable]]


def weights_of(model: keras.Model) -> Tree:
    """Returns the paths and variables of all weights, each once."""
    weights = {id(variable) for variable in model.weights}
    places = [("", model), *((f"{path}/", layer) for path, layer in graph.layers(model))]
    return [
        (prefix + variable.name, variable)
        for prefix, layer in places
        for variable in graph.own_variables(layer)
        if id(variable) in weights
    ]


def copies_of(student: str, teacher: str, ours: Tree, theirs: Tree) -> list[Copy]:
    """Returns the copies that a pair of names or globs stands for."""
    mine, others = _matching(student, ours, "student"), _matching(teacher, theirs, "teacher")
    if len(mine) != len(others):
        raise ValueError(
            f"'{student}' matches {len(mine)} layers of the student, '{teacher}' {len(others)} of "
            "the teacher: globs are matched one after the other, so pass a pair for each layer. "
            f"Received: {list(mine)} and {list(others)}"
        )
    return [
        Copy(one, other, _matched(one, other, mine[one], others[other]))
        for one, other in zip(mine, others, strict=True)
    ]


def _matching(name: str, tree: Tree, side: str) -> dict[str, Tree]:
    """Returns the weights below each path that a name matches, with paths below it."""
    found: dict[str, Tree] = {}
    for path, variable in tree:
        for prefix in prefixes_of(path):
            if prefix == name or fnmatch.fnmatchcase(prefix, name):
                found.setdefault(prefix, []).append((path[len(prefix) :], variable))
                break
    if not found:
        known = dict.fromkeys(prefix for path, _ in tree for prefix in prefixes_of(path))
        near = difflib.get_close_matches(name, known, n=3)
        advice = f"similar paths are {near}" if near else "`kerasopt.graph.layers` lists paths"
        raise ValueError(
            f"`mapping` names '{name}', which matches no weights of the {side}: {advice}. "
            f"Received: mapping with '{name}'"
        )
    return found


def prefixes_of(path: str) -> list[str]:
    """Returns a path and those around it, the shortest first."""
    return [path[: end.start()] for end in re.finditer("/|$", path)]


def _matched(
    student: str, teacher: str, ours: Tree, theirs: Tree
) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns the pairs of the weights below two paths."""
    mine, others = _keyed(ours), _keyed(theirs)
    if mine.keys() != others.keys():
        numbered = [_keyed(tree, _without_numbers) for tree in (ours, theirs)]
        if numbered[0].keys() == numbered[1].keys():
            mine, others = numbered
    differences = [
        f"'{student}{path}' {_shown(mine.get((path, index)))} and '{teacher}{path}' "
        f"{_shown(others.get((path, index)))}"
        for path, index in dict.fromkeys((*mine, *others))
        if not _are_alike(mine.get((path, index)), others.get((path, index)))
    ]
    if differences:
        raise ValueError(
            f"'{student}' of the student and '{teacher}' of the teacher differ in "
            f"{len(differences)} weights, so nothing was copied: name layers, or weights, whose "
            f"shapes are equal. Received: {'; '.join(differences[:_LISTED])}"
        )
    return [(mine[key], others[key]) for key in mine]


def _keyed(tree: Tree, form: Callable[[str], str] = str) -> dict[tuple[str, int], keras.Variable]:
    """Returns the variables by their paths, and the place among those of the same path."""
    counts: collections.Counter[str] = collections.Counter()
    keyed = {}
    for path, variable in tree:
        keyed[form(path), counts[form(path)]] = variable
        counts[form(path)] += 1
    return keyed


def _without_numbers(path: str) -> str:
    return re.sub(r"_\d+(?=/|$)", "", path)


def _are_alike(one: keras.Variable | None, other: keras.Variable | None) -> bool:
    if one is None or other is None:
        return False
    floats = [keras.backend.is_float_dtype(variable.dtype) for variable in (one, other)]
    same_kind = all(floats) or one.dtype == other.dtype
    return same_kind and tuple(one.shape) == tuple(other.shape)


def _shown(variable: keras.Variable | None) -> str:
    return f"{variable.dtype}{list(variable.shape)}" if variable is not None else "(not there)"
