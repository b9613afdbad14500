"""What a model computes without kernels: functions and sums, on integers or on floats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import keras

from kerasopt.benchmarking.precision import Precisions
from kerasopt.graph import (
    Graph,
    Group,
    Groups,
    has_kernel,
    is_bookkeeping,
    masked,
    matrix_product,
    unwrap,
)
from kerasopt.inference import InferenceLayer
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.inference.integer.boundaries import Dequantize, Quantize

# They only move values between floats and integers, or are counted as products.
_NOT_COUNTED = (Quantize, Dequantize, QuantizedBatchMatMul, keras.layers.MultiHeadAttention)


@dataclass(frozen=True)
class FunctionCounts:
    """How often a model calls what is no product: softmax, normalizations, additions, functions.

    Attributes:
        in_integers: Dict of the class of a layer or operation to its calls that read and write
            integers; in a model with quantizers these are simulated.
        in_floats: The same of its calls that read or write floats.
    """

    in_integers: dict[str, int] = field(default_factory=dict)
    in_floats: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        listed = [
            f"{place} {', '.join(f'{count} × {name}' for name, count in counts.items())}"
            for place, counts in (
                ("in integers", self.in_integers),
                ("in floats", self.in_floats),
            )
            if counts
        ]
        return f"Other operations: {'; '.join(listed) or 'none'}"


def function_counts(model: keras.Model) -> FunctionCounts:
    """Counts the calls of a model that multiply no kernels and no pairs of tensors.

    What only moves values, or computes masks, counts and indices, is left out.
    """
    graph = Graph.of(model)
    precisions = Precisions(graph, model)
    integers: Counter[str] = Counter()
    floats: Counter[str] = Counter()
    for group in _functions(precisions.groups):
        counts = integers if precisions.on_integers(group) else floats
        counts[type(unwrap(group.anchor.operation)).__name__] += 1
    return FunctionCounts(dict(integers.most_common()), dict(floats.most_common()))


def _functions(groups: Groups) -> Iterator[Group]:
    masks = masked(groups.graph)
    for group in groups:
        node = group.anchor
        operation = unwrap(node.operation)
        is_integer = isinstance(operation, InferenceLayer)
        is_product = (
            has_kernel(operation)
            or matrix_product(node) is not None
            or isinstance(operation, _NOT_COUNTED)
            or (is_integer and operation.weight_format is not None)
        )
        # The integers of an integer layer are data.
        prepares = id(node) in masks or (not is_integer and is_bookkeeping(node))
        if not (node.is_input or group.transparent or is_product or prepares):
            yield group
