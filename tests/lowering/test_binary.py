"""Binary models: the integer form computes what training computed."""

import keras
import numpy as np
import pytest
from lowering.trained import quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.inference.binary import BinaryConv2D, BinaryDense

layers = keras.layers


def network(**conv):
    x = keras.Input((9, 8, 40), name="image")
    y = layers.Conv2D(33, 3, **conv, name="first")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Conv2D(20, 1, activation="relu", name="second")(y)
    y = layers.GlobalAveragePooling2D(name="pool")(y)
    y = layers.BatchNormalization(name="last_norm")(y)
    return keras.Model(x, layers.Dense(10, name="logits")(y))


def images(count=4):
    return np.random.default_rng(1).normal(size=(count, 9, 8, 40)).astype("float32")


@pytest.mark.parametrize(
    "conv", [{"padding": "same"}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}, {}]
)
def test_network(conv, tmp_path):
    x = images()
    model = quantization_aware(randomize(network(**conv)), x, "binary")
    binary = ko.convert(model, "binary")
    kinds = {layer.name: type(layer) for layer in binary.layers}
    assert kinds["first"] is BinaryConv2D and kinds["second"] is BinaryConv2D
    assert kinds["logits"] is BinaryDense
    assert "norm" not in kinds  # it is a part of the convolution
    np.testing.assert_allclose(run(binary, x), run(model, x), rtol=1e-3, atol=5e-3)
    ko.save(binary, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(binary, x))


def test_sequences():
    x = np.random.default_rng(1).normal(size=(3, 12, 16)).astype("float32")
    model = keras.Sequential(
        [keras.Input((12, 16)), layers.Conv1D(8, 3, padding="causal", name="conv")]
    )
    model = quantization_aware(randomize(model), x, "binary")
    binary = ko.convert(model, "binary")
    assert isinstance(binary.get_layer("conv"), BinaryConv2D)
    np.testing.assert_allclose(run(binary, x), run(model, x), rtol=1e-3, atol=1e-3)


def test_padding_before_a_convolution_has_a_sign():
    x = images()
    model = keras.Sequential(
        [keras.Input((9, 8, 40)), layers.ZeroPadding2D(1), layers.Conv2D(8, 3, name="conv")]
    )
    model = quantization_aware(randomize(model), x, "binary")
    binary = ko.convert(model, "binary")
    assert isinstance(binary.get_layer("conv"), BinaryConv2D)
    np.testing.assert_allclose(run(binary, x), run(model, x), rtol=1e-3, atol=5e-3)


def test_weights_of_zero_stay_float():
    x = images()
    model = quantization_aware(network(), x, "binary")
    model.get_layer("first").kernel.assign(model.get_layer("first").kernel.numpy() * 0.0)
    with pytest.warns(UserWarning, match="binary ones have no zero: first"):
        float_first = ko.convert(model, "binary")
    assert not isinstance(float_first.get_layer("first"), BinaryConv2D)


def test_a_weight_that_is_zero_by_chance_counts_as_one():
    x = np.random.default_rng(1).normal(size=(3, 200)).astype("float32")
    model = keras.Sequential([keras.Input((200,)), layers.Dense(100, name="dense")])
    kernel = model.get_layer("dense").kernel
    values = kernel.numpy()
    values[0, 0] = 0.0
    kernel.assign(values)
    binary = ko.convert(quantization_aware(model, x, "binary"), "binary")
    assert isinstance(binary.get_layer("dense"), BinaryDense)
    assert binary.get_layer("dense").kernel.numpy()[0, 0] == 1
