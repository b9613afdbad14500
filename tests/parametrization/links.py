"""Parametrizations as a user would write them, and layers that have something to parametrize."""

import keras
import numpy as np
from keras import layers

import kerasopt as ko


@keras.saving.register_keras_serializable("tests_parametrization")
class Scaled(ko.parametrization.Parametrization):
    """Multiplies by a factor, which is state."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = factor

    def build(self, input_shape):
        self.factor = self.add_weight(
            initializer=keras.initializers.Constant(self.initial), trainable=False, name="factor"
        )
        self.built = True

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.initial}


@keras.saving.register_keras_serializable("tests_parametrization")
class Shifted(ko.parametrization.Parametrization):
    """Adds one, after everything of order 0."""

    order = 5

    def call(self, inputs):
        return inputs + 1.0


# What each layer is built for, the path of a weight, and the place of the layer that reads it.
CASES = {
    "Dense": (lambda: layers.Dense(3), (2, 4), "kernel"),
    "Dense-bias": (lambda: layers.Dense(3, bias_initializer="ones"), (2, 4), "bias"),
    "EinsumDense": (lambda: layers.EinsumDense("ab,bc->ac", 3), (2, 4), "kernel"),
    "Conv2D": (lambda: layers.Conv2D(3, 2), (2, 5, 5, 2), "kernel"),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(3, 2), (2, 5, 5, 2), "kernel"),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(2), (2, 5, 5, 2), "kernel"),
    "Separable-depthwise": (lambda: layers.SeparableConv2D(3, 2), (2, 5, 5, 2), "depthwise_kernel"),
    "Separable-pointwise": (lambda: layers.SeparableConv2D(3, 2), (2, 5, 5, 2), "pointwise_kernel"),
    "Embedding": (lambda: layers.Embedding(6, 3), (2, 4), "embeddings"),
    "LSTM": (lambda: layers.LSTM(3), (2, 4, 2), "cell/kernel"),
    "LSTM-recurrent": (lambda: layers.LSTM(3), (2, 4, 2), "cell/recurrent_kernel"),
    "GRU": (lambda: layers.GRU(3), (2, 4, 2), "cell/kernel"),
    "GRU-recurrent": (lambda: layers.GRU(3), (2, 4, 2), "cell/recurrent_kernel"),
    "Bidirectional": (
        lambda: layers.Bidirectional(layers.GRU(3)),
        (2, 4, 2),
        "forward_layer/cell/kernel",
    ),
    "MultiHeadAttention": (
        lambda: layers.MultiHeadAttention(2, 3),
        (2, 4, 6),
        "_query_dense/kernel",
    ),
    "BatchNormalization": (lambda: layers.BatchNormalization(), (2, 4), "gamma"),
}


def built(case):
    """Returns a layer, an input for it, and the path of its weight."""
    keras.utils.set_random_seed(0)
    make, shape, path = CASES[case]
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    if case == "Embedding":
        x = np.arange(8).reshape(shape) % 6
    layer = make()
    call(layer, x)
    return layer, x, path


def call(layer, x):
    inputs = (x, x) if isinstance(layer, layers.MultiHeadAttention) else (x,)
    return keras.ops.convert_to_numpy(layer(*inputs))


def follow(layer, path):
    """Returns the layer that reads the weight at `path`, and the weight's name."""
    *steps, name = path.split("/")
    for step in steps:
        layer = getattr(layer, step)
    return layer, name
