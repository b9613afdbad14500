"""Converting models of other specs than int8, and with other joints than additions."""

import math
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, quantization_aware, randomize, run

from kerasopt.inference.integer.convolutions import QuantizedConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.lowering import convert
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import Format, Spec


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
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 4))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(inputs)))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    x = images(16, 8, 4)
    model = quantization_aware(randomize(model), x, alias)
    integers = convert(model)
    assert isinstance(integers.get_layer("conv"), QuantizedConv2D)
    difference = np.abs(run(integers, x) - run(model, x))
    step = model.layers[-1].parametrizations["output"][0].scale
    assert difference.max() < 1.5 * step


def test_what_is_no_int8_per_channel_stays_float():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3, name="dense")(inputs))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    model = quantization_aware(model, x, Spec(granularity=2))
    with pytest.warns(UserWarning, match="symmetric int8 with a scale per channel"):
        integers = convert(model)
    assert isinstance(integers.get_layer("dense"), layers.Dense)


def convolutions(x):
    x = layers.DepthwiseConv2D(3)(layers.Conv2D(16, 3, activation="relu")(x))
    return layers.SeparableConv2D(6, 3)(x)


def recurrent(x):
    return layers.GRU(6)(layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x))


def called_twice(x):
    dense = layers.Dense(8)
    return dense(dense(x))


MODELS = {
    "dense": ((24,), lambda x: layers.Dense(4)(layers.Dense(32, activation="relu")(x))),
    "convolutions": ((8, 8, 4), convolutions),
    "recurrent": ((8, 16), recurrent),
    "attention": ((8, 16), lambda x: layers.MultiHeadAttention(2, 8)(x, x)),
    "called twice": ((8,), called_twice),
}
# The bits that hold a value.
WEIGHTS = {
    "int8_weight_only": 8,
    "int4_weight_only": 4,
    "ternary_weight_only": 2,
    "binary_weight_only": 1,
    Spec(Format(3, symmetric=True), None): 4,
}


@pytest.mark.parametrize("spec", WEIGHTS, ids=lambda spec: getattr(spec, "weights", spec))
@pytest.mark.parametrize("name", MODELS)
def test_layers_that_stay_float_hold_their_weights_in_few_bits(name, spec, tmp_path):
    shape, compute = MODELS[name]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, compute(inputs))
    x = np.random.default_rng(0).normal(size=(16, *shape)).astype("float32")
    model = quantization_aware(model, x, spec)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # it is what the spec says
        held = convert(model, spec if isinstance(spec, str) else "int8")
    # Their products are added in another order.
    np.testing.assert_allclose(run(held, x), run(model, x), atol=1e-5)
    found = held_kernels(held)
    assert found and all(weight.bits == WEIGHTS[spec] for weight in found)
    for weight in found:
        held_bytes = math.prod(weight.shape) * weight.bits / 8
        assert held_bytes <= weight.packed.shape[0] < held_bytes + 1
    held.save(tmp_path / "held.keras")
    loaded = keras.models.load_model(tmp_path / "held.keras")
    np.testing.assert_array_equal(run(loaded, x), run(held, x))
    assert not any(math.prod(variable.shape) == 0 for variable in loaded.trainable_variables)


def test_groups_keep_their_scales():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3)(inputs))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    spec = Spec(Format(4, symmetric=True), None, granularity=4)
    model = quantization_aware(model, x, spec)
    held = convert(model)
    np.testing.assert_array_equal(run(held, x), run(model, x))
    (weight,) = held_kernels(held)
    assert weight.scale.shape == (6,)


def held_kernels(model):
    """Returns the links that hold kernels."""
    return [each.link for each in links_of_model(model) if each.link.holds_weight]


def test_another_spec_than_the_models_raises():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3)(inputs))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    model = quantization_aware(model, x, "int4")
    assert convert(model, "int4").name.endswith("_int4")
    with pytest.raises(ValueError, match="rounded to symmetric 4-bit.*target='ternary'"):
        convert(model, "ternary")
