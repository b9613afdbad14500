"""Products with weights in the code of layers to `QuantizedDense`, one for each expert."""

from __future__ import annotations

import math
from functools import partial

import keras
import numpy as np

from kerasopt.graph import Group, WeightProduct, weight_product
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.keras_internals.graphs import producer
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.folding import fold
from kerasopt.lowering.patterns.axes import with_shape
from kerasopt.lowering.patterns.contraction import columns_of, input_of, output_of, place
from kerasopt.lowering.values import StaysFloat, Value


def matches(group: Group) -> bool:
    return weight_product(group.anchor) is not None


def lower(group: Group, builder: Builder) -> None:
    product = weight_product(group.anchor)
    assert product is not None
    if len(product.batch) > 1 or len(product.depth) > 1:
        raise StaysFloat("its weight has several axes of matrices, or sums over several")
    value = input_of(group, builder)
    if product.repeated:
        value = Value(keras.ops.squeeze(value.tensor, product.repeated), value.affine)
    tensor = _transposed(value, product.tensor, product.batch + product.rows + product.depth)
    if product.batch:
        count = getattr(product.layer, product.name).shape[product.weight.index(product.batch)]
        made = [
            _dense(group, builder, product, Value(tensor[index], value.affine), index)
            for index in range(count)
        ]
        result = Value(keras.ops.stack([each.tensor for each in made]), made[0].affine)
    else:
        result = _dense(group, builder, product, Value(tensor, value.affine))
    axes = product.batch + product.rows + product.columns
    result = Value(_transposed(result, axes, product.output), result.affine)
    if _is_moved(product):
        # What computes the output, axis by axis, has the name.
        producer(result.tensor).name = builder.name(group.anchor)
    builder.put(group.output, result)


def _is_moved(product: WeightProduct) -> bool:
    """Whether the outputs of dense layers are moved to where the product has them."""
    return bool(product.batch) or product.output != product.rows + product.columns


def _transposed(value: Value, axes: str, wanted: str) -> keras.KerasTensor:
    order = [axes.index(x) for x in wanted]
    if order == sorted(order):
        return value.tensor
    return keras.ops.transpose(value.tensor, order)


def _dense(
    group: Group, builder: Builder, product: WeightProduct, value: Value, index: int | None = None
) -> Value:
    """Multiplies the rows of a value with the matrix of an expert, or with the only one."""
    shape = getattr(product.layer, product.name).shape
    sizes = dict(zip(product.weight, shape, strict=True))
    columns = [sizes[x] for x in product.columns]
    order = [product.weight.index(x) for x in product.batch + product.depth + product.columns]

    def arrange(weight: np.ndarray) -> np.ndarray:
        matrices = weight.transpose(order)
        matrix = matrices if index is None else matrices[index]
        return matrix.reshape(-1, math.prod(columns))

    output = output_of(group)
    kernel, scale = columns_of(product.layer, product.name, arrange)
    none = np.zeros(kernel.shape[1])
    assert value.affine is not None
    weights = fold(kernel, scale, none + 1.0, none, value.affine, output.affine)
    suffix = f"_products_{index or 0}" if _is_moved(product) else ""
    make = partial(QuantizedDense, kernel.shape[1])
    made = place(group, builder, make, value, output, weights, suffix)
    if len(columns) == 1:
        return made
    return with_shape(made, [*made.tensor.shape[1:-1], *columns])
