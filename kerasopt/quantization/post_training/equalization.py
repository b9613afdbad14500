"""Cross-layer equalization: similar channel ranges for the same function."""

from collections.abc import Iterator

import keras
import numpy as np

from kerasopt import graph
from kerasopt.graph import Group
from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.post_training.products import Products

_SWEEPS = 10


def equalize(model: keras.Model) -> int:
    """Scales neighbouring layers so that their channels have similar ranges, in place.

    If a layer's output, directly or through a ReLU, goes to only one other layer, channel i of the
    first is divided, and that input of the second multiplied, by

        s_i = sqrt(r1_i / r2_i)

    where r1 and r2 are the largest magnitudes of the weights that produce and read the channel,
    including batch normalization. This is repeated along chains of layers.

    Args:
        model: A functional or Sequential model without quantizers.

    Returns:
        The number of pairs of layers.

    Reference:
        Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction"
        (2019, https://arxiv.org/abs/1906.04721), section 4.1.
    """
    pairs = list(_pairs(graph.Groups(graph.Graph.of(model))))
    for _ in range(_SWEEPS):
        for first, second in pairs:
            _equalize(first, second)
    return len(pairs)


def _pairs(groups: graph.Groups) -> Iterator[tuple[Group, Group]]:
    for first in groups:
        if not _has_products(first, groups) or not _is_homogeneous(first):
            continue
        readers = first.output.consumers
        if first.output.is_output or len(readers) != 1:
            continue
        second = groups.of(readers[0])
        if second.anchor is readers[0] and _has_products(second, groups):
            yield first, second


def _has_products(group, groups):
    operation = group.anchor.operation
    is_alone = len(groups.graph.calls(operation)) == 1
    return is_alone and Products.fit(operation) and getattr(operation, "groups", 1) == 1


def _is_homogeneous(group):
    """Whether the group's activation is positively homogeneous."""
    bounds = [graph.activation_bounds(group.anchor.operation)]
    if group.activation is not None:
        bounds.append(graph.clamp_bounds(group.activation.operation))
    normalization = group.batch_normalization
    scales = normalization is None or (
        normalization.operation.scale and normalization.operation.center
    )
    return scales and all(bound in ((-np.inf, np.inf), (0.0, np.inf)) for bound in bounds)


def _equalize(first, second):
    made, read = first.anchor.operation, second.anchor.operation
    normalization = first.batch_normalization and first.batch_normalization.operation
    before = np.abs(Products(made).columns(to_float32(made.kernel))).max(axis=1).ravel()
    if normalization is not None:
        deviation = np.sqrt(to_float32(normalization.moving_variance) + normalization.epsilon)
        before = before * np.abs(to_float32(normalization.gamma)) / deviation
    after = _by_input(np.abs(to_float32(read.kernel)), read)
    alive = (before > 0) & (after > 0)
    factor = np.where(alive, np.sqrt(before / np.where(alive, after, 1)), 1).astype("float32")
    if normalization is not None:
        scaled = (normalization.gamma, normalization.beta)
    else:
        kernel = Products(made)
        columns = kernel.columns(to_float32(made.kernel))
        divided = columns / factor.reshape(columns.shape[0], 1, -1)
        made.kernel.assign(kernel.weight(divided))
        scaled = (made.bias,) if made.use_bias else ()
    for variable in scaled:
        variable.assign(to_float32(variable) / factor)
    inputs = graph.kernel_layout(read, "kernel").inputs
    read.kernel.assign(to_float32(read.kernel) * _along(factor, read, inputs))


def _by_input(magnitudes, layer):
    """Returns the largest magnitude that reads each input channel."""
    (axis,) = graph.kernel_layout(layer, "kernel").inputs
    others = tuple(each for each in range(magnitudes.ndim) if each != axis)
    return magnitudes.max(axis=others)


def _along(factor, layer, inputs):
    shape = [1] * len(layer.kernel.shape)
    shape[inputs[0]] = -1
    return factor.reshape(shape)
