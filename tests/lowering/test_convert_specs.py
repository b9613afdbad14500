"""Converting models of other specs than int8, and with other joints than additions."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, quantization_aware, randomize, run

from kerasopt.layers.integer import QuantizedConv2D, QuantizedDense
from kerasopt.lowering import convert
from kerasopt.quantization import Spec


@pytest.mark.parametrize(
    "join",
    [layers.Concatenate(name="join"), lambda tensors: keras.ops.concatenate(tensors, axis=-1)],
    ids=["layer", "operation"],
)
def test_concatenations_join_integers_of_one_scale(join):
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", name="left")(inputs)
    x = layers.MaxPooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    y = layers.Conv2D(3, 3, 2, padding="same", name="right")(inputs)
    z = join([x, y])
    model = keras.Model(inputs, layers.Dense(3, name="top")(layers.Flatten()(z)))
    x = images(16, 8, 4)
    model = quantization_aware(randomize(model), x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        integers = convert(model)
    for name in ("left", "right"):
        assert isinstance(integers.get_layer(name), QuantizedConv2D)
    assert isinstance(integers.get_layer("top"), QuantizedDense)
    step = model.get_layer("top").parametrizations["output"][0].scale
    assert np.abs(run(integers, x) - run(model, x)).max() < 1.5 * step


@pytest.mark.parametrize("alias", ["binary_int8", "ternary", "int4"])
def test_fewer_bits_of_weights_are_int8_too(alias):
    inputs = keras.Input((8, 8, 4))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(inputs)))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    x = images(16, 8, 4)
    keras.utils.set_random_seed(0)
    model = quantization_aware(randomize(model), x, alias)
    integers = convert(model)
    assert isinstance(integers.get_layer("conv"), QuantizedConv2D)
    difference = np.abs(run(integers, x) - run(model, x))
    step = model.layers[-1].parametrizations["output"][0].scale
    assert difference.max() < 1.5 * step


@pytest.mark.parametrize("spec", ["int16x8", Spec(granularity=2)])
def test_what_is_no_int8_per_channel_stays_float(spec):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3, name="dense")(inputs))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    model = quantization_aware(model, x, spec)
    with pytest.warns(UserWarning, match="quantizer|symmetric int8 with a scale per channel"):
        integers = convert(model)
    assert type(integers.get_layer("dense")) is layers.Dense
