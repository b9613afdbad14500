"""Quantization in a training loop of one's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko
from kerasopt.quantization import attach_quantizers, freeze_ranges, start_rounding

X = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
Y = X[:, :2]


def network(layer=keras.layers.Dense, **options):
    keras.utils.set_random_seed(0)
    layers = [layer(8, activation="relu", name="first", **options), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((8,)), *layers])


def train(model, steps, optimizer):
    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    for _ in range(steps):
        train_step(X, Y)
    return train_step


@pytest.mark.parametrize("way", [{}, {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}])
def test_a_loop_quantizes_and_converts(way):
    model, optimizer = network(), keras.optimizers.Adam(0.01)
    sites = attach_quantizers(model, "int8", **way)
    step = train(model, 3, optimizer)
    assert not any(bool(site.quantizer.enabled.numpy()) for site in sites)
    start_rounding(model)
    step(X, Y)  # the traced step rounds
    assert all(bool(site.quantizer.enabled.numpy()) for site in sites)
    freeze_ranges(model)
    before = [site.quantizer.observed for site in sites if hasattr(site.quantizer, "observed")]
    train(model, 2, optimizer)
    after = [site.quantizer.observed for site in sites if hasattr(site.quantizer, "observed")]
    assert before == after
    outputs = model.predict(X, verbose=0)
    np.testing.assert_allclose(ko.convert(model).predict(X, verbose=0), outputs, atol=0.05)


def test_layers_that_declare_it_round_when_they_are_told_to():
    model = network(ko.layers.Dense, weight_quantizer="int8")
    model.layers[1].trainable = False
    with pytest.raises(ValueError, match="nothing has moved them.*start_rounding.*'first'"):
        ko.convert(model)
    start_rounding(model)
    train(model, 1, keras.optimizers.Adam(0.01))
    kernel = model.get_layer("first").kernel.numpy()
    codes = kernel / (np.abs(kernel).max(axis=0) / 127)
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-3)


def test_what_cannot_start_says_what_to_do():
    with pytest.raises(ValueError, match=r"has no quantizers. Call `.*attach_quantizers\(model\)"):
        start_rounding(network())
    model = network()
    attach_quantizers(model, observer="percentile")
    with pytest.raises(ValueError, match="have not been observed yet.*'first/input'"):
        start_rounding(model)
