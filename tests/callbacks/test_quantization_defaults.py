"""What plain Keras trains, `QuantizationAware` trains with its defaults."""

import warnings

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.parametrization import links_of_model

X = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
Y = X[:, :2]
LSQ = {"weight_quantizer": "lsq", "activation_quantizer": "lsq"}
WAYS = {
    "default": {},
    "lsq": LSQ,
    "pact": {"activation_quantizer": "pact"},
    "percentile": {"observer": "percentile"},
    "kl": {"observer": "kl"},
}


def functional(middle, traced=False):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    x = middle(keras.layers.Dense(8, name="first")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="last")(x))
    # A few eager steps take less time than tracing them, which some tests are about.
    model.compile("adam", "mse", run_eagerly=not traced)
    return model


def attention(x):
    x = keras.layers.Reshape((2, 4))(x)
    x = keras.layers.MultiHeadAttention(2, 4)(x, x)
    return keras.layers.Flatten()(x)


def gate(x):
    return x * keras.layers.Dense(8, activation="sigmoid")(x)


MODELS = {
    "tanh": lambda: functional(keras.layers.Activation("tanh")),
    "gate": lambda: functional(gate, traced=True),
    "attention": lambda: functional(attention, traced=True),
    "constant": lambda: functional(lambda x: x * 0.0 + 3.0),
    "softmax": lambda: functional(keras.layers.Softmax()),
}


def fit(model, *callbacks, data=(X, Y), **options):
    x, y = data
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0} | options
    return model.fit(x, y, callbacks=[*callbacks], **options)


def quantizers(model):
    return [each.link for each in links_of_model(model)]


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_networks_train_and_convert(make):
    model = make()
    fit(model, ko.callbacks.QuantizationAware("int8"))
    assert all(bool(link.enabled.numpy()) for link in quantizers(model))
    outputs = model.predict(X, verbose=0)
    np.testing.assert_allclose(ko.convert(model).predict(X, verbose=0), outputs, atol=0.1)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_ways_without_a_begin_watch_first_and_round_then(way):
    model = functional(keras.layers.ReLU())
    fit(model, ko.callbacks.QuantizationAware("int8", **way))
    assert all(bool(link.enabled.numpy()) for link in quantizers(model))
    codes = model.get_layer("first").parametrizations["input"][0]
    assert codes.has_range and 1e-4 < float(codes.scale) < 1


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_data_of_unknown_length_trains(way):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: True).batch(8)
    model = functional(keras.layers.ReLU(), traced=True)
    model.fit(data, epochs=2, verbose=0, callbacks=[ko.callbacks.QuantizationAware(**way)])
    assert all(bool(link.enabled.numpy()) for link in quantizers(model))


def test_a_late_begin_needs_no_freeze():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "QuantizationAware")
        callback = ko.callbacks.QuantizationAware(begin="95%")
        fit(functional(keras.layers.ReLU()), callback, epochs=5)


def test_an_output_layer_that_begins_with_zeros_trains():
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(2, kernel_initializer="zeros", name="zeros")]
    )
    model.compile("adam", "mse")
    fit(model, ko.callbacks.QuantizationAware())
    (quantizer,) = model.get_layer("zeros").parametrizations["output"]
    assert quantizer.has_range


class Traces(keras.layers.Layer):
    """Counts how often it is traced in training."""

    count = 0

    def call(self, inputs, training=None):
        self.count += bool(training)
        return inputs


@pytest.mark.parametrize("way", [{}, {"begin": "50%", **LSQ}], ids=["default", "lsq"])
def test_a_model_that_is_quantized_already_is_not_traced_again(way):
    model = functional(counter := Traces(), traced=True)
    fit(model, ko.callbacks.QuantizationAware(**way))
    for _ in range(2):
        fit(model, ko.callbacks.QuantizationAware(**way))
    first = counter.count
    weights = model.get_layer("first").kernel.stored.numpy()
    fit(model, ko.callbacks.QuantizationAware(**way))
    assert counter.count == first
    assert (model.get_layer("first").kernel.stored.numpy() != weights).any()
    model.compile("sgd", "mse")
    fit(model, ko.callbacks.QuantizationAware(**way))
    assert counter.count > first


@pytest.mark.parametrize("way", [{}, LSQ], ids=["default", "lsq"])
def test_an_optimizer_of_a_part_of_the_model_keeps_to_it(way):
    model = functional(keras.layers.ReLU())
    part = model.get_layer("first").trainable_variables
    optimizer = keras.optimizers.Adam()
    optimizer.build(part)
    model.compile(optimizer, "mse")

    class See(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.trained = list(optimizer._trainable_variables)
            raise KeyboardInterrupt

    see = See()
    with pytest.raises(KeyboardInterrupt):
        fit(model, ko.callbacks.QuantizationAware(**way), see)
    last = {id(variable) for variable in model.get_layer("last").trainable_variables}
    assert not last.intersection(map(id, see.trained))
    assert {id(variable) for variable in part} <= set(map(id, see.trained))
    assert bool(way) == (len(see.trained) > len(part))


def test_sparse_inputs_train():
    import tensorflow as tf

    x = tf.sparse.from_dense(np.eye(10, dtype="float32"))
    model = keras.Sequential([keras.Input((10,), sparse=True), keras.layers.Dense(4)])
    model.compile("sgd", "mse")
    for callback in (ko.callbacks.Pruning(0.5), ko.callbacks.QuantizationAware("int8")):
        model.fit(x, np.zeros((10, 4)), verbose=0, callbacks=[callback])
    assert model.layers[-1].parametrizations["input"][0].observed == (0.0, 1.0)


@pytest.mark.parametrize("module", [keras.callbacks, ko.callbacks], ids=["keras", "kerasopt"])
def test_masks_are_drawn_with_the_images_of_weights(module, tmp_path):
    model = functional(keras.layers.ReLU())
    board = module.TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    fit(model, ko.callbacks.Pruning(0.5), ko.callbacks.QuantizationAware(), board, epochs=1)
    assert list(tmp_path.rglob("events.*"))
