import keras
import numpy as np
import pytest
from parametrization.links import CASES, Scaled, Shifted, built, call, follow

import kerasopt as ko
from kerasopt.parametrization import bake


@keras.saving.register_keras_serializable("tests_parametrization")
class Composite(keras.layers.Layer):
    """A layer whose own code creates what is inside it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [keras.layers.Dense(3), keras.layers.Dense(3)]

    def build(self, input_shape):
        for part in self.parts:
            part.build(input_shape)

    def call(self, x):
        return self.parts[0](x) + self.parts[1](x)


def around(layer, x, reads_twice=False):
    inputs = keras.Input(x.shape[1:], dtype=x.dtype.name)
    outputs = layer(inputs, inputs) if reads_twice else layer(inputs)
    return keras.Model(inputs, outputs)


def assert_loads(model, x, directory):
    model.save(directory / "it.keras")
    loaded = keras.models.load_model(directory / "it.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    return loaded


@pytest.mark.parametrize("case", [case for case in CASES if case != "Dense-bias"])
def test_a_users_own_link_is_saved_with_its_state(case, tmp_path):
    layer, x, path = built(case)
    link = Scaled(3.0)
    ko.parametrize(layer, path, link)
    ko.parametrize(layer, path, Shifted())
    link.factor.assign(0.5)
    model = around(layer, x, case == "MultiHeadAttention")
    loaded = assert_loads(model, x, tmp_path)
    inner, name = follow(loaded.layers[-1], path)
    assert [type(link) for link in inner.parametrizations[name]] == [Scaled, Shifted]
    assert float(inner.parametrizations[name][0].factor) == 0.5
    ko.unparametrize(loaded.layers[-1], path)
    assert not hasattr(inner, "parametrizations")


def test_a_config_round_trip_keeps_links_and_their_configs():
    layer, _, path = built("Dense")
    ko.parametrize(layer, path, Scaled(3.0))
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    (link,) = copy.parametrizations["kernel"]
    assert type(link) is Scaled and link.initial == 3.0
    assert keras.saving.serialize_keras_object(copy) == config


def test_inside_a_layer_that_creates_its_own_parts(tmp_path):
    model = keras.Sequential([keras.Input((4,)), Composite(name="pair")])
    ko.parametrize(model, "pair/parts/1/kernel", Scaled(3.0))
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    loaded = assert_loads(model, x, tmp_path)
    assert [type(link) for link in loaded.layers[0].parts[1].parametrizations["kernel"]] == [Scaled]
    assert not hasattr(loaded.layers[0].parts[0], "parametrizations")


def test_an_unbuilt_copy_gets_its_links_when_it_is_built():
    layer, x, path = built("Dense")
    ko.parametrize(layer, path, Scaled(3.0))
    copy = type(layer).from_config(layer.get_config())
    assert type(copy).from_config(copy.get_config()) is not copy  # its recipe survives unbuilt
    copy(x)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(call(layer, x), call(copy, x))


def test_a_custom_class_keeps_its_registration(tmp_path):
    @keras.saving.register_keras_serializable("tests_parametrization")
    class Doubling(keras.layers.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    model = keras.Sequential([keras.Input((4,)), Doubling(3)])
    ko.parametrize(model.layers[0], "kernel", Scaled(3.0))
    loaded = assert_loads(model, np.ones((2, 4), "float32"), tmp_path)
    assert isinstance(loaded.layers[0], Doubling)


def test_bake_keeps_values_and_counts():
    layer, x, path = built("Dense")
    ko.parametrize(layer, path, Scaled(3.0))
    ko.parametrize(layer, "output", Scaled(2.0))
    kernel = layer.kernel.numpy()
    assert bake(layer) == (1, 1)
    assert type(layer) is keras.layers.Dense
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)
    np.testing.assert_allclose(call(layer, x), x @ kernel, rtol=1e-5)
