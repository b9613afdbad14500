"""Layers with weights of 16 bits."""

import keras
import numpy as np
import pytest

from kerasopt.inference.half import HalfConv2D, HalfDense
from kerasopt.ops import HALF_FORMATS

LAYERS = {
    "dense": lambda **kwargs: HalfDense(24, **kwargs),
    "conv2d": lambda **kwargs: HalfConv2D(
        24, (2, 3), strides=2, padding=((0, 1), (2, 0)), groups=2, **kwargs
    ),
}
SHAPES = {"dense": (2, 5, 8), "conv2d": (2, 5, 6, 8)}


def filled(name, **kwargs):
    """A layer with a gain of either sign and of zero."""
    rng = np.random.default_rng(0)
    layer = LAYERS[name](**kwargs)
    layer.build(SHAPES[name])
    kernel = keras.ops.cast(rng.normal(size=layer.packed.shape), layer.weight_format)
    kernel = keras.ops.convert_to_numpy(kernel)
    gain, offset = rng.normal(size=(2, 24))
    gain[3] = 0.0
    layer.set_floats(kernel, 1.0, gain, offset)
    return layer, kernel.astype("float32"), gain, offset


def inputs(name):
    return np.random.default_rng(1).normal(size=SHAPES[name]).astype("float32")


@pytest.mark.parametrize("weight_format", HALF_FORMATS)
@pytest.mark.parametrize("name", LAYERS)
def test_gain_and_offset_follow_the_sums(name, weight_format):
    layer, kernel, gain, offset = filled(name, weight_format=weight_format)
    x = inputs(name)
    if name == "dense":
        sums = x @ kernel
    else:
        padded = np.pad(x, [(0, 0), (0, 1), (2, 0), (0, 0)])
        sums = keras.ops.conv(padded, kernel, 2, "valid", "channels_last")
    y = layer(x)
    assert y.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_allclose(y, sums * gain + offset, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight_format", HALF_FORMATS)
@pytest.mark.parametrize("name", LAYERS)
def test_config_and_file(name, weight_format, tmp_path):
    layer, *_ = filled(name, weight_format=weight_format)
    symbol = keras.Input(SHAPES[name][1:])
    model = keras.Model(symbol, layer(symbol))
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = inputs(name)
    np.testing.assert_array_equal(loaded(x), model(x))
    (found,) = loaded.layers[1].weights
    np.testing.assert_array_equal(found, layer.packed.values)


def test_another_dtype_in_a_file_is_refused(tmp_path):
    layer, *_ = filled("dense")
    symbol = keras.Input((8,))
    keras.Model(symbol, layer(symbol)).save_weights(tmp_path / "model.weights.h5")
    other, *_ = filled("dense", weight_format="bfloat16")
    with pytest.raises(ValueError, match="'kernel'.*must be bfloat16.*float16 of shape"):
        keras.Model(symbol, other(symbol)).load_weights(tmp_path / "model.weights.h5")


def test_arguments():
    with pytest.raises(ValueError, match="`weight_format` of HalfDense.*Received.*'int8'"):
        HalfDense(3, weight_format="int8")
    layer = HalfDense(3)
    layer.build((None, 4))
    with pytest.raises(ValueError, match="not finite"):
        layer.set_floats(np.ones((4, 3), "float16"), 1.0, np.ones(3), np.full(3, np.nan))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled(jit_compile):
    import tensorflow as tf

    layer, *_ = filled("conv2d")
    x = inputs("conv2d")
    compiled = tf.function(layer, jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(x), layer(x), rtol=1e-4, atol=1e-5)
