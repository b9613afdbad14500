"""Copies of models hold what the model holds, and share nothing that changes."""

import functools
import weakref

import keras
import numpy as np
import pytest
from graph import models
from graph.keras_layers import STATEFUL, made
from keras import layers

import kerasopt as ko
from kerasopt.graph import Copies, clone

RNG = np.random.default_rng(1)


def outputs_of(model, x, training=False):
    keras.utils.set_random_seed(0)  # `AugMix` asks Python's `random`
    return [np.asarray(y) for y in keras.tree.flatten(model(x, training=training))]


def assert_is_copy(copied, model, x):
    """Asserts that two models are alike, compute the same, and learn apart."""
    assert type(copied) is type(model)
    assert [layer.name for layer in copied.layers] == [layer.name for layer in model.layers]
    described = [
        [(v.path, v.dtype, v.trainable, tuple(v.shape)) for v in each.variables]
        for each in (model, copied)
    ]
    assert described[0] == described[1]
    assert not {id(v) for v in model.variables} & {id(v) for v in copied.variables}
    assert not set(map(id, model._flatten_layers())) & set(map(id, copied._flatten_layers()))
    for training in (False, True):
        expected, found = outputs_of(model, x, training), outputs_of(copied, x, training)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)
    for layer in copied._flatten_layers():
        for name, (_, store) in layer._tracker.config.items():
            assert getattr(layer, f"_{name}") is store or name == "layers"
    before = [v.numpy() for v in copied.variables]
    for v in model.variables:
        v.assign(np.full(v.shape, 7))
    for value, v in zip(before, copied.variables, strict=True):
        np.testing.assert_array_equal(value, v.numpy())


@pytest.mark.parametrize("name", STATEFUL)
def test_every_layer_of_keras_with_state_is_copied(name):
    model, x = made(name)
    assert_is_copy(clone(model), model, keras.tree.map_structure(keras.ops.convert_to_tensor, x))


def test_the_table_knows_the_layers_that_have_state_from_the_start():
    for name in set(dir(layers)) - set(STATEFUL):
        cls = getattr(layers, name)
        try:
            layer = cls()
        except (TypeError, ValueError):
            continue
        assert cls.__name__ in STATEFUL or not getattr(layer, "_seed_generators", None), name


class Scaled(layers.Layer):
    """A layer without `**kwargs`, config or registration, that holds all sorts of things."""

    def __init__(self, other):
        super().__init__(name="scaled")
        self.other = other
        self.hidden = Holder(other)
        self.call_later = functools.partial(self.scale, by=2.0)
        self.function = lambda x: other(x) + x
        self.reference = weakref.ref(other)
        self.table = np.ones((4,), "float32")
        self.nested = {"list": [layers.Dense(4), (layers.Dense(4), 3)], 5: {1, 2}}

    def build(self, shape):
        self.total = self.add_weight(shape=(), initializer="ones", name="total")
        self.nested["list"][0].build(shape)
        self.nested["list"][1][0].build(shape)

    def scale(self, x, by):
        return x * by * self.total

    def call(self, x):
        x = self.call_later(self.hidden.layer(x)) + self.function(x) + self.reference()(x)
        return self.nested["list"][1][0](self.nested["list"][0](x)) * self.table


class Holder:
    """No Keras object, but it holds one."""

    __slots__ = ("layer",)

    def __init__(self, layer):
        self.layer = layer


class Reordered(keras.Model):
    """A functional model with methods, whose attributes list its layers in another order."""

    def __init__(self):
        first, second = layers.Dense(4, activation="tanh", name="first"), layers.Dense(4)
        self.second, self.first, self.labels = second, first, ["a", "b"]
        inputs = keras.Input((4,))
        middle = first(inputs)
        self.taps = {"middle": middle}
        super().__init__(inputs, second(middle))

    def label(self):
        return self.labels[0]


def tied():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, name="tied")
    inner = keras.Model(inputs, shared(inputs), name="backbone")
    outer = keras.Input((4,))
    return keras.Model(outer, shared(inner(outer)))


def cut_out():
    whole = models.nested()
    inner = whole.get_layer("inner")
    return keras.Model(inner.input, inner.get_layer("dense").output)


def cut_from_the_middle():
    inputs = keras.Input((4,))
    middle = layers.Dense(4)(inputs)
    return keras.Model(middle, layers.Dense(2)(keras.ops.relu(middle)))


def called_by_others():
    model = models.nested()
    keras.Model(inputs := keras.Input((4,)), layers.Dense(50)(model(inputs)))
    return model


def around(function):
    """A model of a `Dense` layer and what `function` makes of it."""
    dense = layers.Dense(4)
    inputs = keras.Input((4,))
    return keras.Model(inputs, function(dense)(dense(inputs)))


def compressed():
    model = models.nested()
    path = next(path for path, layer in ko.graph.layers(model) if layer.name == "dense")
    return ko.parametrize(model, f"{path}/kernel", ko.sparsity.Mask())


def built(model):
    model(np.zeros((1, 4), "float32"))
    return model


MODELS = {
    "nested": models.nested,
    "tied": tied,
    "cut out": cut_out,
    "cut from the middle": cut_from_the_middle,
    "called by others": called_by_others,
    "compressed": compressed,
    "functional subclass": Reordered,
    "subclassed": lambda: built(models.Subclassed()),
    "without config": lambda: around(Scaled),
    "a Lambda over a layer": lambda: around(
        lambda dense: layers.Lambda(lambda x: keras.ops.matmul(x, dense.kernel))
    ),
    "unbuilt Sequential": lambda: built(keras.Sequential([layers.Dense(3), layers.Dense(2)])),
    "mixed precision": lambda: built(keras.Sequential([layers.Dense(3, dtype="mixed_bfloat16")])),
}


@pytest.mark.parametrize("case", MODELS)
def test_models_of_any_kind_are_copied(case):
    model = MODELS[case]()
    x = RNG.normal(size=(3, 4)).astype("float32")
    assert_is_copy(clone(model), model, x)


def test_a_copy_trains_apart_and_is_not_compiled():
    model = Reordered()
    x = RNG.normal(size=(8, 4)).astype("float32")
    model.compile("adam", "mse")
    model.fit(x, x, verbose=0)
    expected = outputs_of(model, x)
    copied = clone(model)
    assert not copied.compiled and not hasattr(copied, "optimizer")
    assert copied.label() == "a" and copied.taps["middle"] is copied.first.output
    copied.compile("sgd", "mse")
    copied.fit(x, x, verbose=0)
    np.testing.assert_array_equal(outputs_of(model, x), expected)
    assert np.abs(outputs_of(copied, x)[0] - expected[0]).max() > 0
    kept = outputs_of(copied, x)
    model.fit(x, x, verbose=0)
    np.testing.assert_array_equal(outputs_of(copied, x), kept)


def test_a_copy_is_saved_as_the_model_is(tmp_path):
    model = models.nested()
    x = RNG.normal(size=(3, 4)).astype("float32")
    clone(model).save(tmp_path / "it.keras")
    loaded = keras.models.load_model(tmp_path / "it.keras")
    np.testing.assert_array_equal(outputs_of(loaded, x), outputs_of(model, x))


def test_calls_by_other_models_stay_behind():
    model = called_by_others()
    copies = Copies(model)
    inner = copies.of(model).get_layer("inner")
    assert inner is copies.of(model.get_layer("inner"))
    assert len(inner._inbound_nodes) == 2
    assert not copies.of(model)._inbound_nodes
    assert inner.get_config()["layers"] == model.get_layer("inner").get_config()["layers"]


def test_a_layer_read_from_outside_its_class_is_refused():
    dense = layers.Dense(4)

    class Global(layers.Layer):
        def call(self, x):
            return keras.ops.matmul(x, dense.kernel)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Global()(dense(inputs)))
    with pytest.raises(ValueError, match="`Global.call` reads 'dense'.*Pass it to `__init__`"):
        clone(model)
