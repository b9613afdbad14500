"""Models whose activations have 16 bits."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from lowering.parity import assert_parity
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.inference import Affine
from kerasopt.inference.integer.add import QuantizedAdd
from kerasopt.inference.integer.conv2d_transpose import QuantizedConv2DTranspose
from kerasopt.inference.integer.convolutions import QuantizedConv2D, QuantizedDepthwiseConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.multiply import QuantizedMultiply
from kerasopt.lowering import convert
from kerasopt.ops import native


def network():
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, padding="same", name="conv")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.DepthwiseConv2D(3, 2, padding="same", activation="relu", name="depthwise")(x)
    x = layers.ReLU()(layers.Add(name="add")([x, layers.Conv2D(8, 1, name="side")(x)]))
    x = layers.SeparableConv2D(12, 3, activation="relu6", name="separable")(x)
    x = layers.Conv2DTranspose(4, 2, 2, activation="relu", name="transposed")(x)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    return keras.Model(inputs, layers.Dense(5, name="top")(x))


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    x = images(16, 12)
    model = quantization_aware(randomize(network()), x, "int16x8")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return model, convert(model, "int16x8"), x


def test_layers_with_kernels_compute_with_int16(models):
    _, integers, _ = models
    classes = {
        "conv": QuantizedConv2D,
        "depthwise": QuantizedDepthwiseConv2D,
        "add": QuantizedAdd,
        "separable_depthwise": QuantizedDepthwiseConv2D,
        "separable": QuantizedConv2D,
        "transposed": QuantizedConv2DTranspose,
        "top": QuantizedDense,
    }
    for name, cls in classes.items():
        layer = integers.get_layer(name)
        assert type(layer) is cls and layer.output.dtype == "int16"


def test_computes_what_fake_quantization_does(models):
    model, integers, x = models
    assert_parity(model, integers, x, layers=9, share=0.99)
    # A step is a 32,767th of the largest output.
    step = integers.get_layer("top").output_affine.scale
    assert np.abs(run(integers, x) - run(model, x)).max() < 4 * step


def test_gives_the_same_bits_on_every_path(models, monkeypatch):
    _, integers, x = models
    wanted = run(integers, x)
    compiled = keras.Model(integers.inputs, integers.outputs)
    compiled.compile(jit_compile=True)
    np.testing.assert_array_equal(compiled.predict(x, verbose=0), wanted)
    monkeypatch.setattr(native, "load", lambda: None)
    np.testing.assert_array_equal(run(integers, x), wanted)


def test_loads_equal_from_a_file(models, tmp_path):
    _, integers, x = models
    integers.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(integers, x))


def test_what_has_no_form_with_int16_is_float_between():
    inputs = keras.Input((6, 6, 4))
    x = layers.Conv2D(4, 1, activation="tanh", name="conv")(inputs)
    x = layers.Multiply(name="multiply")([x, inputs])
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="last")(x))
    x = images(16, 6, 4)
    model = quantization_aware(model, x, "int16x8")
    with pytest.warns(UserWarning, match="Multiply has no form with integers of 16 bits: multiply"):
        integers = convert(model, "int16x8")
    assert isinstance(integers.get_layer("conv_activation"), layers.Activation)
    assert isinstance(integers.get_layer("last"), QuantizedConv2D)
    step = integers.get_layer("last").output_affine.scale
    assert np.abs(run(integers, x) - run(model, x)).max() < 4 * step


def test_too_large_depthwise_kernels_stay_float():
    inputs = keras.Input((24, 24, 2))
    model = keras.Model(inputs, layers.DepthwiseConv2D(23, name="depthwise")(inputs))
    x = images(4, 24, 2)
    model = quantization_aware(model, x, "int16x8")
    with pytest.warns(UserWarning, match="more than 511 products"):
        integers = convert(model, "int16x8")
    assert isinstance(integers.get_layer("depthwise"), layers.DepthwiseConv2D)
    step = model.get_layer("depthwise").parametrizations["output"][0].scale
    assert np.abs(run(integers, x) - run(model, x)).max() <= 1.01 * step


def test_other_numbers_of_bits_raise():
    wide, narrow = Affine(0.1, 0, bits=16), Affine(0.1, 0)
    with pytest.raises(ValueError, match="must all have one of these numbers of bits"):
        QuantizedDense(3, input_affine=wide, output_affine=narrow)
    with pytest.raises(ValueError, match=r"numbers of bits: \(8,\)"):
        QuantizedMultiply(input_affine=(wide, wide), output_affine=wide)
    with pytest.raises(ValueError, match="`bits` must be 8 or 16"):
        Affine(0.1, 0, bits=4)
    with pytest.raises(ValueError, match="from 0 to 0"):
        Affine(0.1, 3, bits=16)


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_exports(models, tmp_path, suffix):
    _, integers, x = models
    path = tmp_path / f"model.{suffix}"
    ko.export(integers, path, format={"tflite": "litert"}.get(suffix, suffix))
    report = ko.compare(integers, path, x[:1])
    assert max(row.steps for row in report.tensors if row.steps is not None) <= 2, report
