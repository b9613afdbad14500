"""Weights of layers that run in a loop over time: read once, and as they were."""

import copy

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko


@keras.saving.register_keras_serializable("tests_parametrization")
class Counted(ko.parametrization.Parametrization):
    """Divides a weight, and counts how often it is read."""

    def __init__(self, divisor=2, **kwargs):
        super().__init__(**kwargs)
        self.divisor = divisor

    def build(self, input_shape):
        self.count = self.add_weight(initializer="zeros", trainable=False, name="count")
        self.built = True

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs / self.divisor

    def get_config(self):
        return {**super().get_config(), "divisor": self.divisor}


def _stacked():
    return layers.RNN(layers.StackedRNNCells([layers.GRUCell(3), layers.LSTMCell(2)]))


@keras.saving.register_keras_serializable("tests_parametrization")
class DenseCell(layers.Layer):
    """A cell of one's own, with a layer inside."""

    state_size = 3

    def build(self, input_shape):
        self.dense = layers.Dense(3, activation="tanh")
        self.dense.build((input_shape[0], input_shape[1] + 3))
        self.built = True

    def call(self, inputs, states):
        output = self.dense(keras.ops.concatenate([inputs, states[0]], -1))
        return output, [output]


@keras.saving.register_keras_serializable("tests_parametrization")
class OwnLoop(keras.Model):
    """A subclassed model that has its cell and the loop around it as attributes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cell = layers.GRUCell(3)
        self.loop = layers.RNN(self.cell)

    def call(self, inputs):
        return self.loop(inputs)


# What makes a layer for inputs of shape (4, 2), and the paths of weights.
LOOPS = {
    "LSTM": (lambda: layers.LSTM(3), ["cell/kernel", "cell/recurrent_kernel", "cell/bias"]),
    "GRU-unrolled": (lambda: layers.GRU(3, unroll=True), ["cell/recurrent_kernel"]),
    "SimpleRNN-backwards": (
        lambda: layers.SimpleRNN(3, go_backwards=True, return_sequences=True),
        ["cell/kernel"],
    ),
    "Bidirectional": (
        lambda: layers.Bidirectional(layers.LSTM(3)),
        ["forward_layer/cell/kernel", "backward_layer/cell/recurrent_kernel"],
    ),
    "stacked": (_stacked, ["cell/cells/0/kernel", "cell/cells/1/recurrent_kernel"]),
    "own cell": (lambda: layers.RNN(DenseCell()), ["cell/dense/kernel"]),
    "own model": (OwnLoop, ["cell/kernel"]),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(3)), ["layer/kernel"]),
    "dropout": (lambda: layers.LSTM(3, recurrent_dropout=0.5), ["cell/kernel"]),
}


def _built(name, shape=(4, 2)):
    make, paths = LOOPS[name]
    keras.utils.set_random_seed(1)
    layer = make()
    layer(np.zeros((1, *shape), "float32"))
    return layer, paths


def _inputs():
    return np.random.default_rng(0).normal(size=(5, 4, 2)).astype("float32")


@pytest.mark.parametrize("name", LOOPS)
def test_weights_are_read_once_in_a_call(name):
    layer, paths = _built(name)
    links = [Counted() for _ in paths]
    for path, link in zip(paths, links, strict=True):
        ko.parametrize(layer, path, link)
    layer(_inputs())
    # Layers around cells call them before the loop, to learn their shapes.
    most = 2 if name == "stacked" else 1
    assert all(1 <= float(link.count) <= most for link in links)


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
@pytest.mark.parametrize("name", [name for name in LOOPS if name != "dropout"])
def test_outputs_are_those_of_the_weights_that_are_read(name, masked):
    layer, paths = _built(name)
    for path in paths:
        ko.parametrize(layer, path, Counted())
    inputs = keras.Input((4, 2))
    x = layers.Masking()(inputs) if masked and name != "own model" else inputs
    model = keras.Model(inputs, layer(x))
    data = _inputs()
    data[:2, 2:] = 0
    found = model.predict(data, verbose=0)
    ko.parametrization.bake(model)
    model.make_predict_function(force=True)
    np.testing.assert_array_equal(found, model.predict(data, verbose=0))


def _model(layer):
    inputs = keras.Input((4, 2))
    outputs = layers.Dense(1, kernel_initializer="ones")(layers.Flatten()(layer(inputs)))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("name", ["LSTM", "Bidirectional", "own cell", "TimeDistributed"])
@pytest.mark.parametrize("jit", [False, True], ids=["", "jit"])
def test_weights_learn_as_plain_ones_do(name, jit):
    data = _inputs()
    learned = []
    for attach in (False, True):
        layer, paths = _built(name)
        for path in paths if attach else ():
            ko.parametrize(layer, path, Counted(divisor=1))
        before = [variable.numpy() for variable in layer.trainable_variables]
        model = _model(layer)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit)
        model.fit(data, data[:, 0, :1], epochs=2, batch_size=5, verbose=0)
        learned.append([variable.numpy() for variable in layer.trainable_variables])
        assert all((a != b).any() for a, b in zip(before, learned[-1], strict=True))
    for plain, read in zip(*learned, strict=True):
        np.testing.assert_allclose(read, plain, atol=1e-6)


def test_copies_and_loaded_layers_read_their_own_weights_once(tmp_path):
    layer, (path, *_) = _built("LSTM")
    ko.parametrize(layer, path, Counted())
    data = _inputs()
    expected = keras.ops.convert_to_numpy(layer(data))
    copied = copy.deepcopy(layer)
    _model(layer).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[1]
    layer.set_weights([0 * weight for weight in layer.get_weights()])
    for other in (copied, loaded):
        (link,) = other.cell.parametrizations["kernel"]
        before = float(link.count)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(other(data)), expected)
        assert float(link.count) == before + 1


def test_detached_layers_are_as_they_were():
    layer, (path, *_) = _built("LSTM")
    before = dict(vars(layer))
    ko.parametrize(layer, path, Counted())
    ko.unparametrize(layer, path)
    assert vars(layer).keys() == before.keys()
