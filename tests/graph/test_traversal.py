import keras
import numpy as np
import pytest
from graph.models import Subclassed, nested
from keras import layers

import kerasopt as ko
from kerasopt.graph import functional_of, kernel_names
from kerasopt.graph import layers as list_layers


def paths(model):
    return [path for path, _ in list_layers(model)]


def test_nested_models_are_seen_through():
    expected = ["outer_input", "inner/inner_input", "inner/dense", "head/top"]
    assert paths(nested()) == expected


def test_subclassed_models_are_walked_by_attribute():
    model = Subclassed()
    model(np.zeros((1, 3), "float32"))
    expected = ["blocks/0", "blocks/1", "heads/left", "backbone/last"]
    assert paths(model) == expected
    model.compile("sgd", "mse")
    model.fit(np.zeros((2, 3)), np.zeros((2, 3)), verbose=0)
    assert paths(model) == expected


def test_composite_layers_come_before_their_inner_layers():
    inputs = keras.Input((5, 8), name="x")
    x = layers.Bidirectional(layers.LSTM(4), name="encoder")(inputs)
    assert paths(keras.Model(inputs, x)) == [
        "x",
        "encoder",
        "encoder/forward_layer",
        "encoder/forward_layer/cell",
        "encoder/backward_layer",
        "encoder/backward_layer/cell",
    ]


def test_attention_shows_its_projections():
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 4, name="a")(inputs, inputs))
    found = dict(list_layers(model))
    dense = [layer.name for layer in found.values() if isinstance(layer, layers.EinsumDense)]
    assert dense == ["query", "key", "value", "attention_output"]
    assert isinstance(found["a/_query_dense"], layers.EinsumDense)


def test_a_layer_held_twice_is_listed_once():
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    assert paths(keras.Model(inputs, shared(shared(inputs)))).count("shared") == 1


class Residual(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
        return inputs + super().call(inputs, training=training)


def test_a_sequential_with_its_own_call_is_a_composite():
    inputs = keras.Input((4,), name="x")
    block = Residual([layers.Dense(4, name="inner")], name="block")
    found = paths(keras.Model(inputs, block(inputs)))
    assert found[:2] == ["x", "block"] and "block/inner" in found


def test_what_a_layer_is_parametrized_with_is_no_layer_of_the_model():
    inputs = keras.Input((5, 8), name="x")
    x = layers.Bidirectional(layers.LSTM(4), name="encoder")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    expected = paths(model)
    ko.parametrize(model, "head/kernel", ko.sparsity.Mask())
    ko.parametrize(model, "encoder/forward_layer/cell/recurrent_kernel", ko.sparsity.Mask())
    assert paths(model) == expected


class Hiding(layers.Layer):
    """Keeps its layers where one must know Keras' tracking to find them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._self_attention = layers.Dense(4)
        self._self_blocks = [layers.Dense(4), {"a": layers.Dense(4)}]
        self.pair = (layers.Dense(4), 1)
        hidden = layers.Dense(4)
        self._tracker.track(hidden)
        self.run = lambda x: hidden(x)
        self._inside = [*self._self_blocks[:1], self.pair[0], hidden, self._self_blocks[1]["a"]]

    def build(self, shape):
        self.scale = self.add_weight(shape=(4,))
        for layer in [self._self_attention, *self._inside]:
            layer.build(shape)

    def call(self, x):
        return self.run(self._self_attention(x)) * self.scale


class Attached(keras.Model):
    """A functional model with a layer and weights that are no part of its graph."""

    def __init__(self):
        self.dense = layers.Dense(4, name="first")
        inputs = keras.Input((4,))
        super().__init__(inputs, Hiding(name="dense")(self.dense(inputs)))
        self.extra = layers.Dense(4, name="second")
        self.extra.build((None, 4))
        self.own = self.add_weight(shape=(4,), name="own")


def attention():
    inputs = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)])(x)
    return keras.Model(inputs, layers.SpectralNormalization(layers.Dense(2))(x))


def called(model):
    model(np.zeros((1, 4), "float32"))
    return model


@pytest.mark.parametrize(
    "make",
    [
        nested,
        Attached,
        attention,
        lambda: called(Subclassed()),
        lambda: called(Residual([Hiding()])),
    ],
)
def test_every_layer_and_weight_that_keras_tracks_is_met(make):
    model = make()
    found = {id(layer) for _, layer in list_layers(model)}
    assert {id(layer) for layer in model._flatten_layers(include_self=False)} - found <= {
        id(layer) for layer in model._flatten_layers() if functional_of(layer) is not None
    } | {id(layer) for layer in model._flatten_layers() if isinstance(layer, layers.InputLayer)}
    report = ko.summary(model, print_fn=lambda text: None)
    assert report.parameters == model.count_params()
    for path, layer in list_layers(model):
        if kernel_names(layer):
            ko.parametrize(model, f"{path}/kernel", ko.sparsity.Mask())
            assert layer.slots == ("kernel",)
