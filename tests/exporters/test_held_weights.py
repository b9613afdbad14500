"""Weights in few bits stay so in files, and files compute what the model does."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.onnx.run import OnnxRuntime

RUNTIMES = {"litert": ("model.tflite", LiteRT), "onnx": ("model.onnx", OnnxRuntime)}


def _file_of(model, data, folder, format):
    """Returns the bytes of a file, after a look at what it computes."""
    name, runtime = RUNTIMES[format]
    ko.export(model, folder / name, format=format)
    (found,) = runtime(folder / name)(data)
    np.testing.assert_allclose(found, model.predict(data, verbose=0), atol=2e-6)
    return (folder / name).stat().st_size


def _convolutions(x):
    x = layers.BatchNormalization(gamma_initializer=keras.initializers.RandomUniform(0.5, 2.0))(
        layers.Conv2D(24, 3, padding="same", use_bias=False)(x)
    )
    x = layers.Conv2DTranspose(24, 3, strides=2)(layers.ReLU()(x))
    return layers.SeparableConv2D(24, 3)(layers.DepthwiseConv2D(3)(x))


def _attention(x):
    x = layers.Dense(32)(layers.Reshape((64, 8))(x))
    return layers.EinsumDense("abc,cd->abd", (None, 32))(layers.MultiHeadAttention(2, 32)(x, x))


def _recurrent(x):
    return layers.Bidirectional(layers.LSTM(24))(layers.Reshape((8, 64))(x))


NETWORKS = {"convolutions": _convolutions, "attention": _attention, "recurrent": _recurrent}


@pytest.mark.parametrize(
    ("network", "spec"),
    [
        ("convolutions", "int8_weight_only"),
        ("convolutions", "float16"),
        ("attention", "int4_weight_only"),
        ("recurrent", "int8_weight_only"),
    ],
)
def test_files_have_weights_in_their_bits(tmp_path, network, spec):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 8))
    model = keras.Model(inputs, NETWORKS[network](inputs))
    converted = ko.convert(ko.quantize(model, spec, verbose=0), spec)
    data = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype("float32")
    bits = {"int8_weight_only": 8, "int4_weight_only": 4, "float16": 16}[spec]
    saved = model.count_params() * (32 - bits) / 8
    for format, (name, _) in RUNTIMES.items():
        ko.export(model, tmp_path / f"float_{name}", format=format)
        # Not all of it: biases and scales are floats.
        most = (tmp_path / f"float_{name}").stat().st_size - 0.7 * saved
        assert _file_of(converted, data, tmp_path, format) < most


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("granularity", ["tensor", 16])
@pytest.mark.parametrize(("bits", "symmetric"), [(8, False), (4, True), (2, True)])
def test_scales_of_all_kinds_are_found(tmp_path, format, granularity, bits, symmetric):
    inputs = keras.Input((64,))
    model = keras.Model(inputs, layers.Dense(160)(inputs))
    weights = ko.quantization.Format(bits, symmetric=symmetric)
    spec = ko.quantization.Spec(weights, None, granularity=granularity)
    converted = ko.convert(ko.quantize(model, spec, verbose=0))
    data = np.random.default_rng(0).normal(size=(3, 64)).astype("float32")
    scales = 0 if granularity == "tensor" else 4 * 64 // granularity * 160
    assert _file_of(converted, data, tmp_path, format) < 64 * 160 * bits / 8 + 2 * scales + 4096


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize(
    ("spec", "bits"), [("int8_weight_only", 8), ("int4_weight_only", 4), ("float16", 16)]
)
def test_tables_are_looked_up_in_their_bits(tmp_path, format, spec, bits):
    inputs = keras.Input((6,), dtype="int32")
    model = keras.Model(inputs, layers.Dense(3)(layers.Embedding(1000, 64, name="table")(inputs)))
    quantized = ko.quantize(model, spec, rules=[("table", spec)], verbose=0)
    converted = ko.convert(quantized, spec)
    data = np.random.default_rng(0).integers(0, 1000, (1, 6)).astype("int32")
    size = _file_of(converted, data, tmp_path, format)
    assert size < 64_000 * bits / 8 + 16_000
