"""What post-training quantization corrects, seen from outside."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.quantization import AdaRound, Format, Spec

INT3 = Spec(Format(3, symmetric=True), None)


def network(shape=(12, 12, 4)):
    """Returns a network with all kinds of products, of random weights and statistics."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input(shape)
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False, name="conv")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.Conv2D(8, 2, groups=2, dilation_rate=2, activation="relu", name="grouped")(x)
    x = x + layers.Conv2D(8, 1, name="branch")(x)
    x = layers.Dense(6, name="dense")(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, x)
    generator = np.random.default_rng(1)
    norm = model.get_layer("norm")
    norm.moving_variance.assign(generator.uniform(0.05, 2, 8))
    norm.gamma.assign(generator.uniform(0.2, 3, 8))
    norm.beta.assign(generator.normal(size=8))
    return model


def images(count=64, shape=(12, 12, 4), seed=0):
    # Neighbouring pixels and channels are alike, as in photographs.
    noise = np.random.default_rng(seed).normal(1, 1, size=(count, 1, 1, shape[-1]))
    return (noise + 0.3 * np.random.default_rng(seed + 1).normal(size=(count, *shape))).astype(
        "float32"
    )


def error(model, quantized, x):
    expected = model.predict(x, verbose=0)
    return float(np.mean((quantized.predict(x, verbose=0) - expected) ** 2) / expected.var())


def test_adaround_is_better_than_nearest_on_other_images():
    model, x, other = network(), images(), images(seed=7)
    nearest = ko.quantize(model, INT3, x, verbose=0)
    rounded = ko.quantize(model, INT3, x, rounding=AdaRound(400), verbose=0)
    assert error(model, rounded, other) < 0.5 * error(model, nearest, other)


def test_adaround_rounds_up_or_down_and_keeps_zeros():
    model, x = network(), images()
    kernel = model.get_layer("conv").kernel
    zeros = np.random.default_rng(0).random(kernel.shape) < 0.5
    kernel.assign(np.where(zeros, 0, kernel.numpy()))
    # Rounding to the nearest clips and scales in the same way.
    nearest = ko.quantize(model, INT3, x, verbose=0).get_layer("conv").kernel.numpy()
    rounded = ko.quantize(model, INT3, x, rounding=AdaRound(50), verbose=0)
    rounded = rounded.get_layer("conv").kernel.numpy()
    step = np.abs(nearest).max(axis=(0, 1, 2)) / 3
    moved = (rounded - nearest) / step
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-4)
    assert np.abs(moved).max() < 1.5 and (np.rint(moved) != 0).any()
    assert (rounded[zeros] == 0).all()


def test_bias_correction_keeps_the_mean_of_every_channel():
    model, x, other = network(), images(256), images(256, seed=7)
    plain = ko.quantize(model, INT3, x, verbose=0)
    corrected = ko.quantize(model, INT3, x, bias_correction=True, verbose=0)

    def shift(quantized, name):
        means = [
            keras.Model(each.input, each.get_layer(name).output).predict(other, verbose=0)
            for each in (model, quantized)
        ]
        axes = tuple(range(means[0].ndim - 1))
        return np.abs(means[0].mean(axes) - means[1].mean(axes)).max()

    for name in ("norm", "depthwise", "branch", "dense"):
        assert shift(corrected, name) < 0.4 * shift(plain, name), name


def test_equalization_changes_ranges_and_not_the_function():
    model, x = network(), images()
    spread = np.geomspace(0.01, 100, 8).astype("float32")
    norm, depthwise = model.get_layer("norm"), model.get_layer("depthwise")
    norm.gamma.assign(norm.gamma.numpy() * spread)
    norm.beta.assign(norm.beta.numpy() * spread)
    depthwise.kernel.assign(depthwise.kernel.numpy() / spread[:, np.newaxis])
    before = model.predict(x, verbose=0)
    spec = Spec(granularity="tensor")
    plain = ko.quantize(model, spec, x, verbose=0)
    equalized = ko.quantize(model, spec, x, equalization=True, verbose=0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    assert error(model, equalized, x) < 0.1 * error(model, plain, x)
    ratio = equalized.get_layer("norm").gamma.numpy() / norm.gamma.numpy()
    assert ratio.max() / ratio.min() > 100


def test_equalization_alone_changes_no_output():
    x = images(shape=(12, 12, 3))
    inputs = keras.Input((12, 12, 3))
    y = layers.Conv2D(8, 3, activation="relu", name="first")(inputs)
    y = layers.Conv2D(4, 3, name="second")(y)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(y)))
    first = model.get_layer("first")
    first.kernel.assign(first.kernel.numpy() * np.geomspace(0.1, 10, 8))
    rules = [("dense*", "float16"), ("*", None)]
    quantized = ko.quantize(model, rules=rules, equalization=True, verbose=0)
    made = quantized.get_layer("first").kernel.numpy()
    read = quantized.get_layer("second").kernel.numpy()
    np.testing.assert_allclose(
        np.abs(made).max(axis=(0, 1, 2)), np.abs(read).max(axis=(0, 1, 3)), rtol=1e-4
    )
    assert error(model, quantized, x) < 1e-5


@pytest.mark.parametrize("options", [{"rounding": "adaround"}, {"bias_correction": True}])
def test_corrections_need_data(options):
    with pytest.raises(ValueError, match="and corrections need data.*calibration=None"):
        ko.quantize(network(), "int8_weight_only", verbose=0, **options)


@pytest.mark.parametrize("options", [{"rounding": "adaround"}, {"equalization": True}])
def test_a_model_that_cannot_be_recorded_has_no_graph_to_follow(options):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x) * float(np.asarray(x)[0, 0])

    model = Subclassed()
    model(np.ones((1, 3)))
    with pytest.raises(ValueError, match="cannot be recorded: its code.*Received: model="):
        ko.quantize(model, "int8", np.ones((4, 3)), verbose=0, **options)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"iterations": 0}, "Received: iterations=0"),
        ({"batch": 1.5}, "Received: batch=1.5"),
        ({"learning_rate": 0}, "Received: learning_rate=0"),
        ({"weight": -1}, "Received: weight=-1"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaRound(**arguments)


def test_an_unknown_rounding_lists_those_that_exist():
    with pytest.raises(ValueError, match=r"\['adaround', 'nearest'\]. Received: rounding='up'"):
        ko.quantize(network(), rounding="up")
