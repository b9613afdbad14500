"""Smoothing: outliers of activations move into weights, and the function stays."""

import keras
import keras_hub
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import graph
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.post_training.smoothing import smooth
from kerasopt.quantization.recipe import make_recipe

K, L = keras.ops, keras.layers
SIZE = 16


@keras.saving.register_keras_serializable("tests_smoothing")
class Gated(L.Layer):
    """A feed-forward block as Llama has it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = L.RMSNormalization()
        self.gate = L.Dense(32, activation="silu", use_bias=False)
        self.up = L.Dense(32, use_bias=False)
        self.down = L.Dense(SIZE, use_bias=False)

    def build(self, shape):
        self.norm.build(shape)
        self.gate.build(shape)
        self.up.build(shape)
        self.down.build((*shape[:-1], 32))

    def call(self, x):
        y = self.norm(x)
        return x + self.down(self.gate(y) * self.up(y))


@keras.saving.register_keras_serializable("tests_smoothing")
class Root(L.Layer):
    """RMS normalization as models bring it along."""

    def build(self, shape):
        self.weight = self.add_weight(shape=(shape[-1],), initializer="ones", name="weight")

    def call(self, x):
        return x * K.rsqrt(K.mean(K.square(x), axis=-1, keepdims=True) + 1e-6) * self.weight


@keras.saving.register_keras_serializable("tests_smoothing")
class Llama(Gated):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = Root()


@keras.saving.register_keras_serializable("tests_smoothing")
class Offset(Root):
    def call(self, x):
        return super().call(x) * (1.0 + self.weight)


@keras.saving.register_keras_serializable("tests_smoothing")
class Squared(Gated):
    """Its normalization is not proportional to its weight."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = Offset()


@keras.saving.register_keras_serializable("tests_smoothing")
class Block(L.Layer):
    """Attention and a feed-forward block written with operations."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm, self.drop = L.LayerNormalization(), L.Dropout(0.1)
        self.query, self.key, self.value = (L.Dense(SIZE, name=name) for name in "qkv")
        self.wide, self.narrow = L.Dense(32, activation="relu"), L.Dense(SIZE)

    def build(self, shape):
        for layer in (self.norm, self.query, self.key, self.value, self.wide):
            layer.build(shape)
        self.narrow.build((*shape[:-1], 32))

    def call(self, x, training=None):
        y = self.drop(self.norm(x), training=training)
        scores = K.matmul(self.query(y), K.transpose(self.key(y), (0, 2, 1))) / 4.0
        x = x + K.matmul(K.softmax(scores), self.value(y))
        return x + self.narrow(self.wide(x))


def encoder():
    return keras_hub.layers.TransformerEncoder(32, 2, normalize_first=True, activation="gelu")


# The layers, and the number of tensors that can be smoothed.
LAYERS = {"encoder": (encoder, 2), "gated": (Gated, 2), "llama": (Llama, 2), "block": (Block, 2)}


def model_of(layer):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, SIZE))
    return keras.Model(inputs, L.Dense(3)(layer(inputs)))


def with_outliers(model):
    """Multiplies some channels of normalizations by 50, and divides the kernels after them."""
    factor = np.where(np.arange(SIZE) % 8 == 3, 50.0, 1.0).astype("float32")
    names = ("query", "key", "value", "feedforward_intermediate", "gate", "up")
    for path, layer in graph.layers(model):
        if path.endswith("norm"):
            for weight in layer.weights:
                weight.assign(weight * factor)
        elif path.split("/")[-1].strip("_").removesuffix("_dense") in names:
            layer.kernel.assign(layer.kernel / factor.reshape(-1, *[1] * (layer.kernel.ndim - 1)))
    return model


def inputs():
    return np.random.default_rng(0).normal(size=(32, 5, SIZE)).astype("float32")


def smoothed(model, spec="int8", rules=()):
    recipe = make_recipe(spec, observer="minmax")
    rules = [(selector, rule and make_recipe(rule)) for selector, rule in rules]
    return smooth(model, find_sites(model, recipe, rules), inputs(), None)


def error(model, expected, **options):
    quantized = ko.quantize(model, "int8", inputs(), verbose=0, **options)
    return float(np.mean((quantized(inputs()) - expected) ** 2) / np.var(expected))


@pytest.mark.parametrize("name", LAYERS)
def test_the_float_model_computes_the_same_bits(name):
    make, count = LAYERS[name]
    model = with_outliers(model_of(make()))
    before = [np.array(weight) for weight in model.weights]
    expected = np.asarray(model(inputs()))
    assert 0 < smoothed(model) <= count
    np.testing.assert_array_equal(model(inputs()), expected)
    assert any((a != np.asarray(b)).any() for a, b in zip(before, model.weights, strict=True))


@pytest.mark.parametrize("name", LAYERS)
def test_outliers_cost_next_to_nothing(name):
    model = with_outliers(model_of(LAYERS[name][0]()))
    expected = np.asarray(model(inputs()))
    before = [np.array(weight) for weight in model.weights]
    assert error(model, expected) < 0.2 * error(model, expected, equalization=False)
    for old, weight in zip(before, model.weights, strict=True):  # those of a copy were scaled
        np.testing.assert_array_equal(weight, old)


def test_corrections_are_relative_to_the_smoothed_model():
    model = with_outliers(model_of(Gated()))
    expected = np.asarray(model(inputs()))
    assert error(model, expected, bias_correction=True) < 1e-3


def test_what_other_layers_read_stays():
    keras.utils.set_random_seed(0)
    x = keras.Input((5, SIZE))
    y = L.LayerNormalization(name="norm")(x)
    model = with_outliers(keras.Model(x, L.Add()([y, L.Dense(SIZE, name="gate")(y)])))
    assert smoothed(model) == 0


def test_a_normalization_that_is_not_proportional_to_its_weight_stays():
    model = with_outliers(model_of(Squared()))
    before = np.asarray(model.layers[1].norm.weight)
    expected = np.asarray(model(inputs()))
    smoothed(model)
    np.testing.assert_array_equal(model.layers[1].norm.weight, before)
    np.testing.assert_array_equal(model(inputs()), expected)


def test_a_layer_that_is_called_twice_stays():
    x, norm, dense = keras.Input((5, SIZE)), L.LayerNormalization(name="norm"), L.Dense(SIZE)
    model = with_outliers(keras.Model(x, dense(norm(dense(norm(x))))))
    assert smoothed(model) == 0


@pytest.mark.parametrize("spec", ["int8_dynamic", "int8_weight_only", "bfloat16"])
def test_tensors_without_a_static_range_stay(spec):
    assert smoothed(with_outliers(model_of(encoder())), spec) == 0


def test_rules_say_what_is_rounded():
    model = with_outliers(model_of(Gated()))
    rules = [("*/gate", "int8_weight_only"), ("*/up", "int8_weight_only"), ("*/down", None)]
    assert smoothed(model, rules=rules) == 0


class Tied(L.Layer):
    """Multiplies with the kernel of a layer elsewhere."""

    def __init__(self, source):
        super().__init__()
        self.source = source

    def call(self, x):
        return K.matmul(x, self.source.kernel)


def test_weights_that_other_code_reads_stay():
    x, gate = keras.Input((5, SIZE)), L.Dense(SIZE, name="gate")
    y = gate(L.LayerNormalization(name="norm")(x))
    model = with_outliers(keras.Model(x, Tied(gate)(y)))
    before, expected = [np.array(weight) for weight in model.weights], np.asarray(model(inputs()))
    assert smoothed(model) == 0
    for old, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(weight, old)
    np.testing.assert_array_equal(model(inputs()), expected)
