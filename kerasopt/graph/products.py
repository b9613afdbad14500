"""The multiply-accumulates of products of tensors, also of those in the code of a layer."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasopt.graph.matrix_products import axes_of, axes_of_einsum, may_be_matrix_product
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.parametrized import own_class
from kerasopt.graph.weights import kernel_names
from kerasopt.keras_internals.attention import is_plain
from kerasopt.keras_internals.calls import inference
from kerasopt.keras_internals.interception import any_symbolic_tensors, intercepted

Shape = tuple[int, ...]
# What `Layer`s of these packages multiply is known by their kernels.
_KNOWN = ("keras.", "kerasopt.")


def multiply_accumulates_of(node: Node, shapes: list[Shape]) -> int:
    """Returns the multiply-accumulates of a product, 0 for any other call.

    Products are those of two tensors (`keras.ops.matmul`, `einsum`, `keras.layers.Dot`), one of
    which may be a constant, an `einsum` of more, both of attention that is computed as a whole,
    and those of integer layers with `multiplies_matrices`.

    Args:
        node: A `Node`.
        shapes: List of tuples, the shape of each of its inputs.
    """
    if getattr(node.operation, "multiplies_matrices", False):
        first, second = shapes
        batch = max(math.prod(first[:-2]), math.prod(second[:-2]))
        return batch * math.prod(first[-2:]) * second[-1]
    args, kwargs = _with_shapes(node, shapes)
    return _of_call(node.operation, args, kwargs)


def multiply_accumulates_inside(node: Node, shapes: list[Shape]) -> int:
    """Returns those of the products in the code of a custom layer whose weights are no kernels.

    Its code is called on symbolic tensors; 0 if that is impossible.

    Args:
        node: A `Node`.
        shapes: List of tuples, the shape of each of its inputs.
    """
    layer: Any = node.operation
    is_custom = not own_class(layer).__module__.startswith(_KNOWN)
    if not isinstance(layer, keras.Layer) or not is_custom or kernel_names(layer):
        return 0
    args, kwargs = _with_shapes(node, shapes)
    if "training" in layer.call_signature_parameters:
        kwargs["training"] = False
    counter = _Counter()
    try:
        with intercepted(counter), inference(layer):
            layer.call(*args, **kwargs)
    except Exception:  # of any class: it is code of others
        return 0
    return counter.count


class _Counter:
    """An `Interceptor` that counts products outside of layers with kernels."""

    def __init__(self) -> None:
        self.count = 0
        self._is_outside = True

    def operation(self, operation: Any, args: tuple, kwargs: dict, own: Any) -> Any:
        if self._is_outside:
            self.count += _of_call(operation, args, kwargs)
        return operation.compute_output_spec(*args, **kwargs)

    def layer(self, layer: keras.Layer, args: tuple, kwargs: dict, own: Any) -> Any:
        outer, self._is_outside = self._is_outside, self._is_outside and not kernel_names(layer)
        try:
            if any_symbolic_tensors(args, kwargs):
                return self.operation(layer, args, kwargs, own)
            return own(layer, *args, **kwargs)
        finally:
            self._is_outside = outer

    def add_loss(self, layer: keras.Layer, loss: Any, own: Any) -> None:
        pass

    def shape(self, tensor: keras.KerasTensor, own: tuple) -> tuple:
        return own

    def function(self, name: str, args: tuple, kwargs: dict, own: Any) -> Any:
        return own(*args, **kwargs)

    def backend_function(self, name: str, args: tuple, kwargs: dict) -> Any:
        return NotImplemented


def _with_shapes(node: Node, shapes: list[Shape]) -> tuple[tuple, dict[str, Any]]:
    """Returns the arguments of a call, with tensors of known shapes."""
    tensors = node.keras_node.input_tensors
    known = {
        id(tensor): keras.KerasTensor(shape, tensor.dtype)
        for tensor, shape in zip(tensors, shapes, strict=True)
    }
    return node.keras_node.arguments.fill_in(known)


def _of_call(operation: Any, args: tuple, kwargs: dict[str, Any]) -> int:
    operation = unwrap(operation)
    if not may_be_matrix_product(operation):
        return _of_attention(operation, args, kwargs)
    flat = keras.tree.flatten((args, kwargs))
    shapes = [tuple(x.shape) for x in flat if len(getattr(x, "shape", ()))]
    if len(shapes) > 2:
        return _of_several(getattr(operation, "subscripts", None), shapes)
    axes = axes_of(operation, *map(len, shapes)) if len(shapes) == 2 else None
    if axes is None or set(axes[0] + axes[1]) == set(axes[2]):
        return 0
    return math.prod(_sizes(axes[:2], shapes).values())


def _sizes(terms: Sequence[str], shapes: list[Shape]) -> dict[str, int]:
    """Returns the size of each axis of several tensors."""
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for axis, size in zip(term, shape, strict=True):
            sizes[axis] = max(size, sizes.get(axis, 1))  # those of size 1 are repeated
    return sizes


def _of_several(subscripts: Any, shapes: list[Shape]) -> int:
    """Returns those of an einsum of three or more tensors, multiplied two at a time."""
    axes = axes_of_einsum(subscripts, [len(shape) for shape in shapes])
    if axes is None:
        return 0
    *terms, output = axes
    empty = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    _, *pairs = np.einsum_path(subscripts, *empty, optimize="greedy")[0]
    sizes, count = _sizes(terms, shapes), 0
    for pair in pairs:
        joined = "".join(terms.pop(index) for index in sorted(pair, reverse=True))
        kept = set(joined) & set("".join([output, *terms]))
        if kept != set(joined):
            count += math.prod(sizes[axis] for axis in set(joined))
        terms.append("".join(sorted(kept)))
    return count


def _of_attention(operation: Any, args: tuple, kwargs: dict[str, Any]) -> int:
    """Returns those of scores and of weighted sums."""
    is_layer = is_plain(operation, own_class(operation))
    if not is_layer and type(operation).__name__ != "DotProductAttention":
        return 0
    given = inspect.signature(operation.call).bind(*args, **kwargs).arguments
    query, value = (tuple(given[name].shape) for name in ("query", "value"))
    if is_layer:
        depth = operation.num_heads * (operation.key_dim + operation.value_dim)
    else:
        depth = query[2] * (query[3] + value[3])
    return query[0] * query[1] * value[1] * depth
