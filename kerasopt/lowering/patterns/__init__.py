"""The table of patterns: which groups of calls become which integer layers."""

from __future__ import annotations

from collections.abc import Callable

from kerasopt.graph import Group
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns import (
    add,
    concatenate,
    conv2d,
    dense,
    depthwise_conv2d,
    global_average_pooling,
    transparent,
)
from kerasopt.lowering.values import StaysFloat

# A pattern is a pair of functions: whether a group is of its kind, and how to lower it.
# `lower` calls `builder.put` for the last node of the group, or raises `StaysFloat`.
PATTERNS = (conv2d, depthwise_conv2d, dense, add, global_average_pooling, concatenate, transparent)


def lowering_of(group: Group) -> Callable[[Group, Builder], None]:
    """Returns the function that lowers `group`.

    Raises:
        StaysFloat: If no pattern is for groups of its kind.
    """
    for pattern in PATTERNS:
        if pattern.matches(group):
            return pattern.lower
    kind = type(group.anchor.operation).__name__
    raise StaysFloat(f"{kind} has no integer form")
