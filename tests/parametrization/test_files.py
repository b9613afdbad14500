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


@keras.saving.register_keras_serializable("tests_parametrization")
class Late(keras.layers.Layer):
    """A layer whose parts get their weights, or come to be, when it is called."""

    def __init__(self, when="build", **kwargs):
        super().__init__(**kwargs)
        self.when, self.first, self.second = when, keras.layers.Dense(4), keras.layers.Dense(4)
        self.third = None

    def get_config(self):
        return {**super().get_config(), "when": self.when}

    def call(self, x, other=None):
        if self.when == "never" and self.third is None:
            self.third = keras.layers.Dense(4)
        x = self.second(self.first(x))
        x = x if self.third is None else self.third(x)
        return x if other is None else x + other


@keras.saving.register_keras_serializable("tests_parametrization")
class HalfBuilt(Late):
    def build(self, input_shape):
        self.first.build(input_shape)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("make", "reads_twice", "paths"),
    [
        (HalfBuilt, False, ["first", "second"]),
        (Late, True, ["first", "second"]),
        (lambda: keras.layers.SpectralNormalization(keras.layers.Dense(4)), False, ["layer"]),
    ],
    ids=["build leaves one out", "no build", "spectral"],
)
def test_what_is_built_late_is_saved_cloned_and_converted(
    make, reads_twice, paths, compiled, tmp_path
):
    x = np.random.default_rng(0).normal(size=(8, 3, 4)).astype("float32")
    layer = make()
    model = around(layer, x, reads_twice)
    for path in paths:
        ko.parametrize(model, f"{layer.name}/{path}/kernel", Scaled(3.0))
    if compiled:
        model.compile("adam", "mse", jit_compile=False)
        model.fit(x, x, verbose=0)
    loaded = assert_loads(model, x, tmp_path)
    assert len(loaded.trainable_variables) == len(model.trainable_variables)
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(copied.predict(x, verbose=0), model.predict(x, verbose=0))
    quantized = ko.quantize(around(make(), x, reads_twice), "int8", x, verbose=0)
    assert_loads(ko.convert(quantized), x, tmp_path)


def test_a_class_that_is_not_registered_is_cloned_as_keras_clones_it():
    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=input_shape[-1:], name="kernel")

        def call(self, x):
            return x * self.kernel

    model = around(Scale(name="scale"), np.ones((2, 4), "float32"))
    ko.parametrize(model, "scale/kernel", Scaled(3.0))
    copied = keras.models.clone_model(model)
    assert isinstance(copied.get_layer("scale"), Scale)
    assert list(copied.get_layer("scale").parametrizations) == ["kernel"]


def test_a_class_that_takes_no_name_is_loaded(tmp_path):
    @keras.saving.register_keras_serializable("tests_files")
    class Nameless(keras.layers.Layer):
        def __init__(self):
            super().__init__()

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=input_shape[-1:], name="kernel")

        def call(self, x):
            return x * self.kernel

        def get_config(self):
            return {}

    x = np.ones((2, 4), "float32")
    layer = Nameless()
    model = around(layer, x)
    ko.parametrize(model, f"{layer.name}/kernel", Scaled(3.0))
    assert_loads(model, x, tmp_path)


def test_a_clone_is_renamed_by_its_config():
    def renamed(layer):
        config = layer.get_config()
        return type(layer).from_config({**config, "name": f"{config['name']}_again"})

    model = around(keras.layers.Dense(3, name="dense"), np.ones((2, 4), "float32"))
    ko.parametrize(model, "dense/kernel", Scaled(3.0))
    copied = keras.models.clone_model(model, clone_function=renamed)
    assert list(copied.get_layer("dense_again").parametrizations) == ["kernel"]


def test_a_function_that_is_not_registered_is_handed_over_for_a_layer_of_a_file(tmp_path):
    def triple(x):
        return 3 * x

    x = np.ones((2, 4), "float32")
    model = around(keras.layers.Dense(3, activation=triple, name="dense"), x)
    ko.parametrize(model, "dense/kernel", Scaled(3.0))
    model.save(tmp_path / "it.keras")
    own = {"triple": triple}
    for loaded in (
        keras.models.load_model(tmp_path / "it.keras", custom_objects=own),
        keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(model), custom_objects=own
        ),
    ):
        loaded.set_weights(model.get_weights())
        np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    with keras.saving.custom_object_scope(own):
        keras.models.clone_model(model)


def test_a_file_of_other_code_names_what_it_misses(monkeypatch, tmp_path):
    x = np.ones((2, 4), "float32")
    model = around(Late("never", name="late"), x)
    ko.parametrize(model, "late/third/kernel", Scaled(3.0))
    model.save(tmp_path / "it.keras")
    monkeypatch.setattr(Late, "call", lambda self, x: self.second(self.first(x)))
    with pytest.raises(ValueError, match="in 'late'.*weight='third/kernel'"):
        keras.models.load_model(tmp_path / "it.keras")


def test_a_config_that_fails_is_named(tmp_path):
    class Broken(HalfBuilt):
        def get_config(self):
            return {"factor": self.factor}

    model = around(Broken(name="late"), np.ones((2, 4), "float32"))
    ko.parametrize(model, "late/first/kernel", Scaled(3.0))
    with pytest.raises(
        ValueError, match="Layer 'late' cannot be saved: `Broken.get_config`.*factor"
    ):
        model.save(tmp_path / "it.keras")
