"""Which functions and sums of a model are on integers, as `summary` says."""

import keras
import numpy as np
import pytest
from lowering.trained import quantization_aware

from kerasopt.benchmarking import summary
from kerasopt.lowering import convert

layers = keras.layers


class RootMeanSquare(layers.Layer):
    """A normalization that has no integer form."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, x):
        return (
            x * keras.ops.rsqrt(keras.ops.mean(x * x, axis=-1, keepdims=True) + 1e-6) * self.scale
        )


def transformer(mask):
    inputs = keras.Input((6, 16))
    x = layers.LayerNormalization()(layers.Dense(16)(inputs))
    scores = keras.ops.matmul(
        layers.Dense(16)(x), keras.ops.transpose(layers.Dense(16)(x), (0, 2, 1))
    )
    if mask:
        scores = scores + np.triu(np.full((6, 6), -1e9, "float32"), 1)
    x = x + keras.ops.matmul(keras.ops.softmax(scores), layers.Dense(16)(x))
    return keras.Model(inputs, layers.Dense(3)(RootMeanSquare()(x)))


def counts(model):
    functions = summary(model, print_fn=len).functions
    return functions.in_integers, functions.in_floats


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(8, 6, 16)).astype("float32")


def test_functions_are_counted_where_they_compute(data):
    quantized = quantization_aware(transformer(mask=False), data, "int8")
    integers, floats = counts(quantized)
    assert integers == {"LayerNormalization": 1, "Softmax": 1, "Add": 1}
    assert floats == {"RootMeanSquare": 1}
    integers, floats = counts(convert(quantized))
    assert integers == {"QuantizedLayerNormalization": 1, "QuantizedSoftmax": 1, "QuantizedAdd": 1}
    assert floats == {"RootMeanSquare": 1}


def test_softmax_with_a_mask_is_in_floats(data):
    quantized = quantization_aware(transformer(mask=True), data, "int8")
    for model in (quantized, convert(quantized)):
        integers, floats = counts(model)
        assert floats == {"Softmax": 1, "RootMeanSquare": 1}
        assert len(integers) == 2


def test_the_text_says_it_of_quantized_models_only(data):
    model = transformer(mask=False)
    assert "Other operations" not in str(summary(model, print_fn=len))
    quantized = quantization_aware(model, data, "int8_dynamic")
    text = str(summary(quantized, print_fn=len)).splitlines()[-1]
    assert text.startswith("Other operations: in floats ")
    assert "1 × LayerNormalization" in text and "1 × Softmax" in text
