"""Models with weights of 16 bits, and the layers that read them as they are."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.onnx.run import OnnxRuntime
from kerasopt.inference.half import HalfConv2D, HalfDense
from kerasopt.inference.integer.boundaries import Dequantize, Quantize
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.ops import HALF_FORMATS
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import FloatFormat, Format, Spec, make_recipe

layers = keras.layers


def network():
    x = keras.Input((9, 8, 16), name="image")
    y = layers.Conv2D(32, 3, padding="same", groups=2, name="grouped")(x)
    y = layers.ReLU()(layers.BatchNormalization(name="norm")(y))
    y = layers.Conv2D(20, (3, 2), 2, "same", activation="silu", name="strided")(y)
    y = layers.Conv2D(24, 2, dilation_rate=2, use_bias=False, name="dilated")(y)
    y = layers.Reshape((6, 24))(layers.BatchNormalization()(y))
    y = layers.Conv1D(24, 2, padding="causal", name="causal")(y)
    y = layers.EinsumDense("abc,cde->abde", (6, 4, 5), bias_axes="de", name="einsum")(y)
    y = layers.Reshape((6, 20))(y)
    y = layers.EinsumDense("abc,dce->abde", (6, 5, 4), bias_axes="de", name="heads")(y)
    y = layers.Dense(7, activation="relu", name="rows")(layers.Reshape((6, 20))(y))
    return keras.Model(x, layers.Dense(40, name="logits")(layers.Flatten()(y)))


CONVOLUTIONS, DENSE = (
    ("grouped", "strided", "dilated", "causal"),
    ("einsum", "heads", "rows", "logits"),
)


def weights_only(dtype):
    return Spec(FloatFormat(dtype), None)


@pytest.fixture(scope="module", params=HALF_FORMATS)
def halves(request):
    """Images, a model with weights of 16 bits and its converted form."""
    keras.utils.set_random_seed(0)
    x = images(4, 9, 16)[:, :, :8]
    model = quantization_aware(randomize(network()), x, weights_only(request.param))
    return x, model, ko.convert(model, request.param)


def test_every_layer_reads_16_bits(halves):
    x, model, converted = halves
    for name in CONVOLUTIONS:
        assert isinstance(converted.get_layer(name), HalfConv2D)
    for name in DENSE:
        assert isinstance(converted.get_layer(name), HalfDense)
    assert not any(layer.name == "norm" for layer in converted.layers)
    np.testing.assert_allclose(run(converted, x), run(model, x), rtol=1e-4, atol=1e-5)
    report = ko.summary(converted, print_fn=len)
    assert set(report.macs_by_precision) == {(16, 32)}


def test_weights_stay_as_they_were_rounded(halves):
    _, model, converted = halves
    for name in ("strided", "logits"):
        kernel = converted.get_layer(name).kernel
        assert kernel.dtype in HALF_FORMATS
        np.testing.assert_array_equal(
            kernel.numpy().astype("float32"), model.get_layer(name).kernel.numpy()
        )


@pytest.mark.parametrize("save", [ko.save, keras.Model.save], ids=["ko.save", "Model.save"])
def test_files(halves, save, tmp_path):
    x, _, converted = halves
    save(converted, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(converted, x))


def test_exports(halves, tmp_path):
    x, _, converted = halves
    ko.export(converted, tmp_path / "model.tflite")
    ko.export(converted, tmp_path / "model.onnx", format="onnx")
    expected = run(converted, x)
    for form, file in ((LiteRT, "model.tflite"), (OnnxRuntime, "model.onnx")):
        found = form(tmp_path / file)(x)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for ops in ("native", "portable"):
        ko.export(converted, tmp_path / "folder", format="tf_saved_model", ops=ops)
        loaded = tf.saved_model.load(tmp_path / "folder")
        np.testing.assert_allclose(loaded.serve(x), expected, rtol=1e-4, atol=1e-5)
        shutil.rmtree(tmp_path / "folder")


def test_exported_files_have_16_bits(tmp_path):
    model = keras.Sequential([keras.Input((256,)), layers.Dense(256, name="dense")])
    x = np.random.default_rng(0).normal(size=(4, 256)).astype("float32")
    converted = ko.convert(quantization_aware(model, x, "float16"), "float16")
    for format, file in (("litert", "model.tflite"), ("onnx", "model.onnx")):
        ko.export(converted, tmp_path / file, format=format)
        assert (tmp_path / file).stat().st_size < 2.2 * 256 * 256
    assert sum(each.numpy().nbytes for each in converted.variables) == 256 * (256 * 2 + 8)


@pytest.mark.parametrize("alias", HALF_FORMATS)
def test_trained(alias):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(16, 3, name="conv"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10, name="logits"),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = images(32, 8), np.arange(32) % 10
    model.fit(x, y, epochs=2, verbose=0, callbacks=[ko.callbacks.QuantizationAware(alias)])
    converted = ko.convert(model, alias)
    assert isinstance(converted.get_layer("conv"), HalfConv2D)
    assert isinstance(converted.get_layer("logits"), HalfDense)
    # Activations are rounded in training only.
    step = 2.0**-10 if alias == "float16" else 2.0**-7
    expected = run(model, x)
    assert np.abs(run(converted, x) - expected).max() < 4 * step * np.abs(expected).max()


def test_weights_that_float16_cannot_hold_are_infinite():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, use_bias=False, name="dense")])
    kernel = np.ones((4, 3), "float32")
    kernel[0, 0], kernel[1, 1], kernel[2, 2] = 1e5, -1e5, np.nan
    model.get_layer("dense").kernel.assign(kernel)
    x = np.ones((2, 4), "float32")
    model = quantization_aware(model, x, weights_only("float16"))
    y = run(ko.convert(model, "float16"), x)
    np.testing.assert_array_equal(y, [[np.inf, -np.inf, np.nan]] * 2)


def test_a_layer_that_is_called_twice():
    x = keras.Input((8,))
    dense = layers.Dense(8, name="shared")
    model = keras.Model(x, dense(dense(x)))
    values = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")
    model = quantization_aware(model, values, weights_only("bfloat16"))
    converted = ko.convert(model, "bfloat16")
    assert len(converted.layers) == 2
    np.testing.assert_allclose(run(converted, values), run(model, values), rtol=1e-5, atol=1e-6)


def other_layers(x):
    x = layers.DepthwiseConv2D(3)(x)
    x = layers.Conv2D(12, 2, groups=6)(x)  # few filters in each group
    x = layers.SeparableConv2D(6, 2)(x)
    return layers.LSTM(6)(layers.Reshape((-1, 6))(x))


def test_what_has_no_form_of_16_bits_holds_them(tmp_path):
    inputs = keras.Input((8, 8, 6))
    model = keras.Model(inputs, other_layers(inputs))
    x = images(4, 8, 6)
    model = quantization_aware(model, x, weights_only("bfloat16"))
    held = ko.convert(model, "bfloat16")
    np.testing.assert_array_equal(run(held, x), run(model, x))
    found = [each.link for each in links_of_model(held) if each.link.holds_weight]
    assert len(found) == 6 and {weight.values.dtype for weight in found} == {"bfloat16"}
    held.save(tmp_path / "held.keras")
    loaded = keras.models.load_model(tmp_path / "held.keras")
    np.testing.assert_array_equal(run(loaded, x), run(model, x))


def test_between_integer_layers():
    inputs = keras.Input((8,))
    x = layers.Dense(12, activation="relu", name="first")(inputs)
    x = layers.Dense(12, activation="relu", name="half")(x)
    model = keras.Model(inputs, layers.Dense(3, name="last")(x))
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    rules = [("half", make_recipe(Spec(FloatFormat("float16"), Format(8))))]
    model = quantization_aware(model, x, "int8", rules)
    converted = ko.convert(model, "int8")
    kinds = [type(layer) for layer in converted.layers if hasattr(layer, "packed")]
    assert kinds == [QuantizedDense, HalfDense, QuantizedDense]
    kinds = [type(layer) for layer in converted.layers]
    assert kinds.count(Quantize) == kinds.count(Dequantize) == 2
    step = model.get_layer("last").parametrizations["output"][0].scale
    assert np.abs(run(converted, x) - run(model, x)).max() < 1.5 * step


def test_sparse_models_keep_them():
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    model = keras.Sequential([keras.Input((16,)), layers.Dense(16, name="dense")])
    model = quantization_aware(model, x, "float16")
    sparse = ko.convert(model, "sparse")
    assert isinstance(sparse.get_layer("dense"), HalfDense)
    np.testing.assert_array_equal(run(sparse, x), run(ko.convert(model, "float16"), x))
