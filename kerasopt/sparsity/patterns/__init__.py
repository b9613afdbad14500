"""Patterns: which weights are pruned together."""

import re

from kerasopt.axis import resolve
from kerasopt.sparsity.patterns.block import Block
from kerasopt.sparsity.patterns.element import Element
from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.n_m import NM
from kerasopt.sparsity.patterns.pattern import FORMS, Pattern
from kerasopt.sparsity.patterns.slices import Channel, Filter, Head, Kernel

__all__ = [
    "NM",
    "Block",
    "Channel",
    "Element",
    "Filter",
    "Grouping",
    "Head",
    "Kernel",
    "Pattern",
    "get",
]

ALIASES: dict[str, type] = {
    pattern.alias: pattern for pattern in (Element, Kernel, Filter, Channel, Head)
}


def get(identifier) -> Pattern:
    """Returns a pattern from its alias, its config or itself.

    Args:
        identifier: `"element"`, `"kernel"`, `"filter"`, `"channel"`, `"head"`, `"N:M"` such as
            `"2:4"`, `"blockRxC"` such as `"block4x1"`, or a `Pattern`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, str):
        if match := re.fullmatch(r"(\d+):(\d+)", identifier):
            return NM(*map(int, match.groups()))
        if match := re.fullmatch(r"block(\d+)x(\d+)", identifier):
            return Block(*map(int, match.groups()))
    is_object = isinstance(identifier, (Pattern, dict))
    if not is_object and not (isinstance(identifier, str) and identifier in ALIASES):
        raise ValueError(f"{FORMS} Received: pattern={identifier!r}")
    return resolve(identifier, Pattern, ALIASES, "pattern")
