"""Layers whose `call` is made of other layers and of `keras.ops`."""

import keras
import numpy as np
from keras import layers, ops

from kerasopt.graph import Graph


class Composite(layers.Layer):
    """Builds its inner layers, in the order of its attributes, for inputs of `width` channels."""

    width = 8

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, shape=None):
        for layer in self._flatten_layers(include_self=False):
            layer.build((None, None, self.width))
        super().build(shape)

    def compute_output_shape(self, shape, *others):
        return shape


class Residual(Composite):
    """Two layers and an addition; the path of training has more operations."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(8, activation="relu")
        self.second = layers.Dense(8)
        self.norm = layers.LayerNormalization()

    def call(self, inputs, training=False):
        x = self.second(self.first(inputs))
        if training:
            x = x * 2.0 * 0.5
        return self.norm(inputs + x * 0.5)


class Causal(Composite):
    """Attention whose mask and heads depend on the sizes of its input."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key, self.value = (layers.Dense(8) for _ in range(3))
        self.out = layers.Dense(8)

    def heads(self, x):
        batch, length, _ = ops.shape(x)
        return ops.transpose(ops.reshape(x, (batch, length, 2, 4)), (0, 2, 1, 3))

    def call(self, inputs, mask=None):
        length = ops.shape(inputs)[1]
        scores = ops.matmul(
            self.heads(self.query(inputs)),
            ops.transpose(self.heads(self.key(inputs)), (0, 1, 3, 2)),
        )
        past = ops.arange(length)[:, None] >= ops.arange(length)
        scores = ops.where(past, scores * 0.5, -1e9)
        if mask is not None:
            scores = scores + (1.0 - ops.cast(mask[:, None, None, :], "float32")) * -1e9
        x = ops.matmul(ops.softmax(scores), self.heads(self.value(inputs)))
        x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), ops.shape(inputs))
        return inputs + self.out(x)


class Twice(Composite):
    """Calls an inner composite layer twice, and a nested model by a keyword argument."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block = Residual()
        self.pair = Sum()
        self.tail = keras.Sequential([keras.Input((None, 8)), layers.Dense(8, name="last")])

    def build(self, shape=None):
        self.block.build()
        self.pair.build()
        self.built = True

    def call(self, inputs):
        return self.tail(self.pair(self.block(inputs), other=self.block(inputs * 2.0)))


class Sum(Composite):
    """Has a tensor that is passed by name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.left, self.right = layers.Dense(8), layers.Dense(8)

    def call(self, inputs, *, other):
        return self.left(inputs) - self.right(other)


def model_of(*parts, length=None):
    """Returns a functional model of sequences of 8 channels through layers."""
    inputs = keras.Input((length, 8))
    x = inputs
    for part in parts:
        x = part(x)
    return keras.Model(inputs, x)


class Making(Composite):
    """Makes layers without weights in its `call`: squeeze and excitation."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv1D(8, 3, padding="same")
        self.reduce, self.expand = layers.Dense(8, activation="relu"), layers.Dense(8)

    def call(self, inputs):
        x = self.conv(inputs)
        gate = layers.Reshape((1, 8))(layers.GlobalAveragePooling1D()(x))
        x = layers.multiply([x, self.expand(self.reduce(gate))])
        return layers.Add()([x, inputs])


class Rotary(layers.Layer):
    """Adds to its input."""

    def call(self, inputs):
        return inputs + 0.1

    def compute_output_shape(self, shape):
        return shape


class RotaryOfTwo(Rotary):
    """Leaves what its base declares as it is."""

    def call(self, inputs, other):
        positions = 0.1 * ops.cast(ops.arange(ops.shape(inputs)[1]), "float32")
        return inputs + positions[:, None], other - positions[:, None]


class Plain(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(inputs)


class DeclaresOthers(Composite):
    """Calls layers that do not take `training`, or declare what they do not return."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rotary, self.dense = RotaryOfTwo(), layers.Dense(8)
        self.block = Plain()

    def build(self, shape=None):
        for layer in (self.rotary, self.dense, self.block):
            layer.build((None, None, 8))
        self.built = True

    def call(self, inputs, training=False):
        x, y = self.rotary(inputs, self.dense(inputs))
        return self.block(x + y, training=training)


class OfTensorFlow(Composite):
    """Calls functions of TensorFlow: on sizes, and on data."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        import tensorflow

        batch, length, _ = ops.shape(inputs)
        near = tensorflow.linalg.band_part(ops.ones((length, length), "bool"), 1, 1)
        x = self.dense(inputs)
        scores = ops.where(near, ops.matmul(x, ops.transpose(inputs, (0, 2, 1))), -1e9)
        x = x + ops.matmul(ops.softmax(scores), inputs)
        y = tensorflow.reshape(tensorflow.tanh(x), (batch, length, 8))
        return x + y * y


class Operands(Composite):
    """Operators whose left, or only other, operand is no tensor of the data."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def build(self, shape=None):
        self.scale = self.add_weight(shape=(8,), initializer="uniform", name="scale")
        super().build(shape)

    def call(self, inputs):
        x = self.dense(inputs)
        x = self.scale * x + np.full(8, 0.5, "float32") * x
        x = x - x / np.sqrt(8)
        return ops.broadcast_to(self.scale[None], (ops.shape(x)[0], 1, 8)) + x


class Indexed(Composite):
    """Keys that are no tuples: Keras refuses them on symbols."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        x = self.dense(inputs)
        positions = ops.arange(ops.shape(x)[1], dtype="float32")
        return x + positions[None][..., None] - positions[-1:][0] + x[...] * positions[-1]


class Cut(Composite):
    """Adds as much of a weight as the sequence is long, and asks for the rank of a tensor."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def build(self, shape=None):
        super().build(shape)
        self.positions = self.add_weight(shape=(64, 8), initializer="random_normal")

    def call(self, inputs):
        ones = [None] * (ops.ndim(inputs) - 2)
        positions = self.positions[(*ones, slice(ops.shape(inputs)[1]))]
        return self.dense(inputs + positions) + positions


class Positioned(Composite):
    """What is made of sizes comes before the operations on data of the same kinds."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.table = layers.Dense(8), layers.Embedding(64, 8)

    def call(self, inputs):
        positions = ops.arange(ops.shape(inputs)[1]) * 2 + 1
        table = self.table(positions) * 0.5 + 0.1
        x = self.dense(inputs) * 1.5 + inputs
        return ops.gelu(x + table) + x


def tokens(batch=2, length=5):
    return np.random.default_rng(0).normal(size=(batch, length, 8)).astype("float32")


def walked(model, x):
    """Returns what a model computes, one node after another."""
    graph = Graph.of(model)
    values = graph.feed(x)
    for node in graph:
        if not node.is_input:
            results = node.call([values[edge] for edge in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
    (edge,) = graph.outputs
    return keras.ops.convert_to_numpy(values[edge])
