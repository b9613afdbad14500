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
