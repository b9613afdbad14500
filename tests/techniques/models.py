"""Tiny models of every kind that a technique has to work on, and data for them.

Each takes the module that its layers come from, so that drop-in layers go the same way.
"""

import types

import keras
import numpy as np
from keras import layers as plain

import kerasopt as ko

DECLARED = {"weight_quantizer": "int8", "output_quantizer": "int8", "pruning": 0.5}


def _declaring(cls):
    return lambda *args, **kwargs: cls(*args, **DECLARED, **kwargs)


# Keras' layers, with the drop-in layers in place of those that kerasopt has.
declaring = types.SimpleNamespace(
    **{name: getattr(plain, name) for name in dir(plain)}
    | {name: _declaring(getattr(ko.layers, name)) for name in ko.layers.__all__}
)


def convolutional(layers=plain) -> keras.Model:
    """A functional CNN: normalized convolutions, a residual `x + y`, dropout, a classifier."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="conv")(inputs)
    x = layers.BatchNormalization(name="conv_norm")(x)
    x = layers.ReLU(name="conv_relu")(x)
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.SeparableConv2D(6, 3, padding="same", name="separable")(y)
    x = layers.Conv2DTranspose(6, 3, padding="same", name="transposed")(x + y)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(0.25, name="dropout")(x)
    return keras.Model(inputs, layers.Dense(4, name="classifier")(x), name="convolutional")


def sequential(layers=plain) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.Dropout(0.25),
            layers.BatchNormalization(),
            layers.Dense(4),
        ],
        name="sequential",
    )


def nested(layers=plain) -> keras.Model:
    """A functional model around a functional and a Sequential one, whose names repeat."""
    inner_inputs = keras.Input((6,))
    x = layers.Dense(6, activation="relu", name="dense")(inner_inputs)
    inner = keras.Model(inner_inputs, x + inner_inputs, name="inner")
    head = keras.Sequential([keras.Input((6,)), layers.Dense(4, name="dense")], name="head")
    inputs = keras.Input((6,))
    x = layers.Dense(6, name="dense")(inputs)
    return keras.Model(inputs, head(inner(x)), name="nested")


def shared(layers=plain) -> keras.Model:
    """A siamese model: one encoder, and in it one layer, is called twice."""
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(6, name="encode")], name="encoder")
    squash = layers.Dense(4, activation="relu", name="squash")
    difference = layers.Subtract()([squash(encoder(left)), squash(encoder(right))])
    outputs = layers.Dense(4, name="compare")(difference)
    return keras.Model([left, right], outputs, name="shared")


def recurrent(layers=plain) -> keras.Model:
    """Embedding, recurrent cells (plain and bidirectional), attention and an EinsumDense."""
    inputs = keras.Input((5,), dtype="int32", name="tokens")
    x = layers.Embedding(12, 6, name="embedding")(inputs)
    x = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    x = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(x)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = layers.EinsumDense("abc,cd->abd", (None, 6), name="einsum")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(4, name="classifier")(x), name="recurrent")


@keras.saving.register_keras_serializable("tests_techniques")
class Subclassed(keras.Model):
    """A model whose own `call` runs layers in a list, in a dict and in a Sequential model."""

    def __init__(self, drop_in=False, **kwargs):
        super().__init__(**kwargs)
        self.drop_in, units = drop_in, 6
        layers = declaring if drop_in else plain
        self.blocks = [layers.Dense(units, activation="relu"), layers.Dense(units)]
        self.heads = {"main": layers.Dense(4)}
        self.stem = keras.Sequential([layers.Dense(units), layers.Dropout(0.25)])

    def call(self, inputs, training=None):
        x = self.stem(inputs)  # without saying whether it trains, as most code does
        for block in self.blocks:
            x = x + block(x)
        return self.heads["main"](x)

    def get_config(self):
        return {**super().get_config(), "drop_in": self.drop_in}


def subclassed(layers=plain) -> keras.Model:
    model = Subclassed(drop_in=layers is declaring, name="subclassed")
    model(np.zeros((1, 6), "float32"))
    return model


ZOO = {
    make.__name__: make
    for make in (convolutional, sequential, nested, shared, recurrent, subclassed)
}


def data(model: keras.Model, samples: int = 12) -> tuple:
    """Returns inputs and integer targets for one of the models above."""
    generator = np.random.default_rng(0)
    shapes = {"convolutional": (8, 8, 3), "recurrent": (5,)}
    shape = (samples, *shapes.get(model.name, (6,)))
    x = generator.normal(size=shape).astype("float32")
    if model.name == "recurrent":
        x = generator.integers(0, 12, shape)
    if model.name == "shared":
        x = (x, x[::-1].copy())
    return x, generator.integers(0, 4, samples)


class Batches(keras.utils.PyDataset):
    """The data for a model in batches that follow from their index alone."""

    def __init__(self, model: keras.Model, batch_size: int = 4):
        super().__init__()
        self.data, self.batch_size = data(model), batch_size

    def __len__(self):
        return len(self.data[1]) // self.batch_size

    def __getitem__(self, index):
        batch = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return keras.tree.map_structure(lambda array: array[batch], self.data)
