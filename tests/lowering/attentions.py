"""Attention written by hand, with `keras.ops`, in functional models."""

import keras
import numpy as np
from keras import layers, ops

HEADS, SIZE = 2, 8


def _projected(x, *shape, name):
    """Returns what a dense layer makes of a sequence, its last axis divided."""
    return layers.Reshape((-1, *shape))(layers.Dense(int(np.prod(shape)), name=name)(x))


def _joined(x, units=12):
    return layers.Dense(units, name="joined")(layers.Reshape((-1, HEADS * SIZE))(x))


def heads_last(length=None):
    """Projections by `EinsumDense`, products by `einsum`, heads after the positions."""
    inputs = keras.Input((length, 12))
    query, key, value = (
        layers.EinsumDense("btd,dhe->bthe", (None, HEADS, SIZE), name=name)(inputs)
        for name in ("query", "key", "value")
    )
    scores = ops.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(SIZE).astype("float32")
    context = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), value)
    output = layers.EinsumDense("bthe,hed->btd", (None, 12), name="joined")(context)
    return keras.Model(inputs, layers.Dense(4, name="top")(inputs + output))


def masked(length=None):
    """Products by `matmul` of tensors with the heads first, and an additive mask."""
    inputs, mask = keras.Input((length, 12)), keras.Input((length,))
    query, key, value = (
        ops.transpose(_projected(inputs, HEADS, SIZE, name=name), (0, 2, 1, 3))
        for name in ("query", "key", "value")
    )
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * SIZE**-0.5
    scores = scores + (1.0 - ops.expand_dims(ops.expand_dims(mask, 1), 1)) * -1e9
    context = ops.matmul(layers.Softmax(name="softmax")(scores), value)
    output = _joined(ops.transpose(context, (0, 2, 1, 3)))
    return keras.Model([inputs, mask], layers.Dense(4, name="top")(inputs + output))


def grouped(length=None):
    """Several queries for each key, by `repeat`."""
    inputs = keras.Input((length, 12))
    query = _projected(inputs, HEADS, SIZE, name="query")
    key, value = (
        ops.repeat(_projected(inputs, 1, SIZE, name=name), HEADS, axis=2)
        for name in ("key", "value")
    )
    scores = ops.einsum("aecd,abcd->acbe", key, query * SIZE**-0.5)
    output = _joined(ops.einsum("acbe,aecd->abcd", ops.softmax(scores), value))
    return keras.Model(inputs, layers.Dense(4, name="top")(output))


def crossed(length=None):
    """Queries of one sequence, keys and values of another, in one head."""
    inputs, memory = keras.Input((length, 12)), keras.Input((None, 10))
    query = layers.Dense(SIZE, name="query")(inputs)
    key, value = (layers.Dense(SIZE, name=name)(memory) for name in ("key", "value"))
    scores = layers.Dot(axes=(2, 2), name="scores")([query, key]) * 0.3
    context = layers.Dot(axes=(2, 1), name="context")([layers.Softmax()(scores), value])
    return keras.Model([inputs, memory], layers.Dense(4, name="top")(context))


def contracted(subscripts, *shapes):
    """Returns a model of an einsum between dense layers."""
    inputs = [keras.Input(shape) for shape in shapes]
    factors = [
        layers.Dense(shape[-1], name=f"factor_{i}")(x)
        for i, (x, shape) in enumerate(zip(inputs, shapes, strict=True))
    ]
    return keras.Model(inputs, ops.einsum(subscripts, *factors))


ATTENTIONS = {"heads_last": heads_last, "masked": masked, "grouped": grouped, "crossed": crossed}


def data(name, count=32, length=7, seed=0):
    """Returns inputs of one of the models, as its `call` takes them."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, length, 12)).astype("float32")
    if name == "masked":
        lengths = generator.integers(1, length + 1, (count, 1))
        return [x, (np.arange(length) < lengths).astype("float32")]
    if name == "crossed":
        return [x, generator.normal(size=(count, length + 2, 10)).astype("float32")]
    return x
