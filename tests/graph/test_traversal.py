import keras
import numpy as np
from graph.models import Subclassed, nested
from keras import layers

import kerasopt as ko
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
