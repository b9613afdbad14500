import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import loss, predict

import kerasopt as ko
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import Cast, Format, Quantizer, Spec, specs


def make(name="convolutional"):
    keras.utils.set_random_seed(0)
    return getattr(models, name)()


def inputs(model):
    return models.data(model)[0]


def links(model):
    return [each.link for each in links_of_model(model, Quantizer)]


@pytest.mark.parametrize("alias", specs.ALIASES)
def test_a_new_model_is_quantized_and_the_given_one_is_not(alias):
    model = make()
    before, config = predict(model), model.to_json()
    quantized = ko.quantize(model, alias, inputs(model), verbose=0)
    np.testing.assert_array_equal(predict(model), before)
    assert model.to_json() == config and not links(model)
    assert links(quantized) and all(bool(link.enabled.value) for link in links(quantized))
    assert (predict(quantized) != before).any()


def _memory(layer):
    return np.asarray(memoryview(layer.weights[0].value.value()))


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_that_stay_are_in_memory_once(bits):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(128, "relu")])
    spec = Spec(Format(bits, symmetric=True), None)
    quantized = ko.quantize(model, spec, verbose=0)
    shares = np.shares_memory(_memory(model.layers[0]), _memory(quantized.layers[0]))
    assert shares == (bits == 8)  # with fewer bits a weight is clipped
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    layer = quantized.layers[0]
    layer.weights[0].assign_add(np.ones(kernel.shape, "float32"))
    np.testing.assert_array_equal(model.layers[0].kernel, kernel)


class Positioned(keras.layers.Layer):
    """Adds a table that it looks up at constants."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table, self.dense = keras.layers.Embedding(6, 8), keras.layers.Dense(4)

    def build(self, shape):
        self.table.build((6,))
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x + self.table(keras.ops.arange(6)))


def test_calls_of_constants_are_calibrated():
    inputs = keras.Input((6, 8))
    model = keras.Model(inputs, Positioned()(inputs))
    x = np.random.default_rng(0).normal(size=(16, 6, 8)).astype("float32")
    quantized = ko.quantize(model, "int8", x, verbose=0)
    assert np.abs(quantized.predict(x, verbose=0) - model.predict(x, verbose=0)).max() < 0.1


@pytest.mark.parametrize("name", ["convolutional", "nested", "shared", "recurrent", "subclassed"])
def test_eight_bits_are_close_to_float(name):
    model = make(name)
    before = predict(model)
    quantized = ko.quantize(model, "int8", inputs(model), verbose=0)
    error = np.abs(predict(quantized) - before).max()
    assert 0 < error < 0.05 * np.abs(before).max()


def test_it_is_placed_and_trained_as_a_quantization_aware_model(tmp_path):
    model = make()
    quantized = ko.quantize(model, "int8", inputs(model), observer="moving_average", verbose=0)
    quantized.compile("adam", loss())
    places = len(links(quantized))
    callback = ko.callbacks.QuantizationAware("int8")
    quantized.fit(models.Batches(quantized), verbose=0, callbacks=[callback])
    assert len(links(quantized)) == places
    quantized.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(predict(loaded), predict(quantized))


def test_the_model_converts_to_integers():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(3)]
    )
    quantized = ko.quantize(model, "int8", x, verbose=0)
    step = quantized.layers[-1].parametrizations["output"][0].scale
    integers = ko.convert(quantized)
    assert np.abs(integers.predict(x, verbose=0) - quantized(x)).max() < 1.5 * step


def test_ranges_are_those_of_the_data():
    x = np.random.default_rng(0).uniform(-1, 3, (100, 8)).astype("float32")
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    for data in (x, keras.utils.PyDataset, None):
        if data is None:
            import tensorflow as tf

            data = tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(7)
        elif data is not x:
            data = Pairs(x)
        quantized = ko.quantize(model, "int8", data, verbose=0)
        (entry,) = quantized.layers[0].parametrizations["input"]
        assert float(entry.observer.minimum) == x.min()
        assert float(entry.observer.maximum) == x.max()
    y = keras.ops.convert_to_numpy(model(x))
    (end,) = quantized.layers[0].parametrizations["output"]
    np.testing.assert_allclose(float(end.observer.maximum), y.max(), rtol=1e-5)


class Pairs(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.x[25 * index : 25 * index + 25], np.zeros(25)


def test_masks_stay():
    model = make()
    model.compile("adam", loss())
    model.fit(models.Batches(model), verbose=0, callbacks=[ko.callbacks.Pruning(0.5)])
    zeros = model.get_layer("conv").kernel.numpy() == 0
    quantized = ko.quantize(model, "binary_weight_only", verbose=0)
    assert (quantized.get_layer("conv").kernel.numpy()[zeros] == 0).all() and zeros.any()


def test_rules_and_specs_without_ranges_need_no_data():
    quantized = ko.quantize(make(), "int8_dynamic", rules=[("conv", "float16")], verbose=0)
    assert isinstance(quantized.get_layer("conv").parametrizations["kernel"][0], Cast)


def test_calibration_shows_its_progress(capsys):
    model = make()
    ko.quantize(model, "int8", inputs(model), batch_size=4)
    assert "3/3" in capsys.readouterr().out


def not_finite(model):
    x = np.array(inputs(model))
    x[0] = np.nan
    return x


@pytest.mark.parametrize(
    "data, arguments, message",
    [
        (lambda model: None, {}, "pass a few hundred inputs .* Received: calibration=None"),
        (not_finite, {}, "or have non-finite values.* Received: {'conv/input': \\(nan, nan"),
        (lambda model: inputs(model)[..., :1], {}, "incompatible"),
        (lambda model: inputs(model)[:0], {}, "`calibration` has no examples"),
        (inputs, {"spec": "int7"}, "Received: spec='int7'"),
        (inputs, {"observer": "mean"}, "Received: observer='mean'"),
        (inputs, {"spec": Spec(granularity=5)}, "Groups of 5 do not divide"),
        (inputs, {"rules": [("*", None)]}, "has nothing to quantize"),
    ],
)
def test_bad_input_raises_and_leaves_the_model(data, arguments, message):
    model = make()
    before = predict(model)
    with pytest.raises(ValueError, match=message):
        ko.quantize(model, calibration=data(model), verbose=0, **arguments)
    np.testing.assert_array_equal(predict(model), before)
    assert not links(model)


def test_a_quantized_model_is_quantized_once():
    model = make()
    quantized = ko.quantize(model, "int8", inputs(model), verbose=0)
    with pytest.raises(ValueError, match="is already quantized by WeightQuantizer"):
        ko.quantize(quantized, "int4", inputs(model), verbose=0)


def test_what_keras_has_quantized_is_not_quantized_again():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, name="dense")])
    model.quantize("int8")
    with pytest.raises(ValueError, match="'dense' is already quantized by Keras.*mode='int8'"):
        ko.quantize(model, "int8", np.ones((4, 6)), verbose=0)


def two_inputs(container):
    keras.utils.set_random_seed(0)
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    x = keras.layers.Concatenate()([keras.layers.Dense(5)(a), keras.layers.Dense(5)(b)])
    outputs = keras.layers.Dense(2)(x)
    return keras.Model({"a": a, "b": b} if container is dict else [a, b], outputs)


@pytest.mark.parametrize("container", [tuple, dict])
def test_arrays_in_any_container_calibrate_alike(container):
    values = [np.random.default_rng(seed).normal(size=(16, 4 - seed)) for seed in range(2)]
    options = {"equalization": True, "bias_correction": True, "rounding": "adaround", "verbose": 0}
    data = dict(zip("ab", values, strict=True)) if container is dict else container(values)
    found = ko.quantize(two_inputs(container), "int8", data, **options)
    expected = ko.quantize(two_inputs(list), "int8", values, **options)
    for one, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize("options", [{}, {"bias_correction": True}])
def test_a_stateful_recurrent_layer_keeps_its_state(options):
    inputs = keras.Input(batch_shape=(2, 5, 3))
    recurrent = keras.layers.LSTM(6, stateful=True)
    model = keras.Model(inputs, keras.layers.Dense(2)(recurrent(inputs)))
    for value, state in enumerate(recurrent.states):
        state.assign(np.full(state.shape, value + 0.5))
    x = np.random.default_rng(0).normal(size=(8, 5, 3)).astype("float32")
    quantized = ko.quantize(model, "int8", x, verbose=0, **options)
    for network in (model, quantized, ko.convert(quantized)):
        (layer,) = [layer for layer in network.layers if hasattr(layer, "states")]
        for value, state in enumerate(layer.states):
            np.testing.assert_array_equal(state, np.full(state.shape, value + 0.5))


@pytest.mark.parametrize("options", [{"bias_correction": True}, {"rounding": "adaround"}])
def test_augmentation_does_not_run_in_calibration(options):
    x = np.random.default_rng(0).uniform(size=(32, 6, 6, 3)).astype("float32")

    class Augmentation(keras.layers.Layer):
        """A layer that does not say in its `call` that it depends on training."""

        def build(self, input_shape):
            self.brightness = keras.layers.RandomBrightness(0.9, value_range=(0, 1))

        def call(self, inputs):
            return self.brightness(inputs)

    def biases(*augmentation):
        keras.utils.set_random_seed(0)
        body = [keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((6, 6, 3)), *augmentation, *body])
        quantized = ko.quantize(model, "int8", x, verbose=0, **options)
        return [quantized.layers[-1].bias.numpy(), quantized.layers[-1].kernel.numpy()]

    expected = biases()
    brightness = keras.layers.RandomBrightness(0.9, value_range=(0, 1))
    for augmentation in (brightness, keras.Sequential([brightness]), Augmentation()):
        for found, wanted in zip(biases(augmentation), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_batches_that_are_not_finite_are_left_out_and_told_of():
    model = make()
    x = np.array(inputs(model))
    x[0] = np.nan
    with pytest.warns(UserWarning, match="'conv/input': '1 of 3 batches'"):
        quantized = ko.quantize(model, "int8", x, batch_size=4, verbose=0)
    expected = ko.quantize(model, "int8", x[4:], batch_size=4, verbose=0)
    for one, other in zip(links(quantized), links(expected), strict=True):
        assert getattr(one, "observed", None) == getattr(other, "observed", None)
