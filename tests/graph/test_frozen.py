import keras
from graph.models import Subclassed
from keras import layers

from kerasopt.graph import frozen_layers
from kerasopt.graph import layers as list_layers


def block(name):
    """A residual block whose addition has no weights of its own."""
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="dense")(inputs)
    return keras.Model(inputs, layers.Add(name="add")([x, x]), name=name)


def two_blocks():
    inputs = keras.Input((4,))
    return keras.Model(inputs, block("top")(block("base")(inputs)))


def frozen_paths(model):
    frozen = frozen_layers(model)
    return [path for path, layer in list_layers(model) if id(layer) in frozen]


def test_a_layer_that_trains_is_not_frozen():
    assert frozen_paths(two_blocks()) == []


def test_a_frozen_part_takes_what_has_no_weights_along():
    model = two_blocks()
    model.get_layer("base").trainable = False
    assert frozen_paths(model) == ["base/dense", "base/add"]
    model.get_layer("base").trainable = True
    # What trains before it does not make the additions of a frozen part train.
    model.get_layer("top").trainable = False
    assert frozen_paths(model) == ["top/dense", "top/add"]


def test_an_addition_of_what_trains_is_not_frozen():
    inputs = keras.Input((4,))
    x, y = layers.Dense(4, name="a")(inputs), layers.Dense(4, name="b")(inputs)
    model = keras.Model(inputs, layers.Add(name="add")([x, y]))
    model.get_layer("a").trainable = False
    assert frozen_paths(model) == ["a"]
    model.trainable = False
    assert frozen_paths(model) == ["a", "b", "add"]


def test_a_layer_inside_a_frozen_one_is_frozen_though_it_says_that_it_trains():
    model = two_blocks()
    model.trainable = False
    model.get_layer("top").get_layer("dense").trainable = True
    assert "top/dense" in frozen_paths(model)


def test_a_part_of_a_subclassed_model():
    model = Subclassed()
    model(keras.ops.zeros((1, 3)))
    model.blocks[0].trainable = False
    assert frozen_paths(model) == ["blocks/0"]


def test_a_layer_under_lora_trains():
    model = two_blocks()
    model.get_layer("base").get_layer("dense").enable_lora(2)
    assert frozen_paths(model) == []
    model.get_layer("base").trainable = False
    assert frozen_paths(model) == ["base/dense", "base/add"]
