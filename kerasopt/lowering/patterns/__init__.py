"""The table of patterns: which groups of calls become which integer layers."""

from __future__ import annotations

from kerasopt.graph import Group, unwrap
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.patterns import (
    add,
    attention,
    batch_normalization,
    binary,
    concatenate,
    conv,
    conv_transpose,
    dense,
    depthwise_conv,
    dynamic_dense,
    einsum_dense,
    elementwise,
    embedding,
    half,
    layer_normalization,
    multiply,
    pooling,
    separable_conv,
    softmax,
    transparent,
)
from kerasopt.lowering.values import StaysFloat

# A pattern is a pair of functions: whether a group is of its kind, and how to lower it.
# `lower` calls `builder.put` for the last node of the group, or raises `StaysFloat`.
# Keras' separable and depthwise convolutions are no subclasses of its convolutions.
PATTERNS = (
    half,
    binary,
    conv,
    depthwise_conv,
    separable_conv,
    conv_transpose,
    dynamic_dense,
    dense,
    einsum_dense,
    attention,
    add,
    multiply,
    pooling,
    concatenate,
    batch_normalization,
    layer_normalization,
    softmax,
    embedding,
    transparent,
    elementwise,
)

# Those that also lower groups with integers of 16 bits.
_INT16 = (
    conv,
    depthwise_conv,
    separable_conv,
    conv_transpose,
    dense,
    einsum_dense,
    add,
    concatenate,
    transparent,
)


def lower(group: Group, builder: Builder) -> None:
    """Lowers `group` by the first pattern that is for groups of its kind.

    Raises:
        StaysFloat: If there is none, or the group cannot be lowered.
    """
    pattern = next((pattern for pattern in PATTERNS if pattern.matches(group)), None)
    kind = type(unwrap(group.anchor.operation)).__name__
    if pattern is None:
        raise StaysFloat(f"{kind} has no integer form")
    if pattern not in _INT16 and builder.has_int16(group):
        raise StaysFloat(f"{kind} has no form with integers of 16 bits")
    if pattern is not attention and builder.masks.arguments(group.anchor):
        raise StaysFloat("with a mask it has no integer form")
    pattern.lower(group, builder)
