"""Operators of LiteRT files: the model's integers, at any batch size, in all of its kernels."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT

RESOLVERS = ("AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "BUILTIN_REF")
FIRST = {"data_format": "channels_first"}


def converted(model, x):
    return ko.convert(quantization_aware(randomize(model), x))


def interpret(path, x, resolver):
    """Returns what the kernels of one of LiteRT's resolvers compute."""
    import tensorflow as tf

    kinds = tf.lite.experimental.OpResolverType
    litert = LiteRT(path)
    litert._interpreter = tf.lite.Interpreter(
        str(path), experimental_op_resolver_type=getattr(kinds, resolver)
    )
    return litert(x)[0]


@pytest.mark.parametrize(
    ("kernel", "strides", "padding"),
    [
        (2, 3, "same"),
        (4, 2, "same"),
        (3, 2, "valid"),
        ((2, 5), (3, 2), "same"),
        ((1, 3), (1, 2), "valid"),
        (3, 1, "same"),
    ],
)
def test_transposed_convolutions_run_at_any_batch_size(kernel, strides, padding, tmp_path):
    x = images(4, 6, 3)
    inputs = keras.Input((6, 6, 3))
    layer = layers.Conv2DTranspose(5, kernel, strides, padding, activation="relu")
    integers = converted(keras.Model(inputs, layer(inputs)), x)
    ko.export(integers, tmp_path / "model.tflite")
    expected, step = run(integers, x), integers.layers[-1].input_affine.scale
    for resolver in RESOLVERS:
        for count in (1, 4):
            found = interpret(tmp_path / "model.tflite", x[:count], resolver)
            # Only XNNPACK rounds as the layers of integers do.
            allowed = 0 if resolver == "AUTO" else 1.01 * step
            np.testing.assert_allclose(found, expected[:count], atol=allowed + 1e-6)


def enlarged(x):
    x = layers.Conv2DTranspose(5, 3, 2, padding="same", activation="relu")(x)
    return layers.Conv2DTranspose(4, (2, 5), (3, 2))(x)


def reduced(x):
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.UpSampling2D(2)(layers.AveragePooling2D(3, 1, padding="same")(x))
    return layers.Cropping2D(1)(layers.ZeroPadding2D(2)(x))


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("change", [enlarged, reduced])
def test_images_have_any_size(change, tmp_path):
    x = images(4, 6, 3)
    inputs = keras.Input((None, None, 3))
    outputs = layers.Conv2D(2, 3)(change(layers.Conv2D(4, 3, padding="same")(inputs)))
    model = randomize(keras.Model(inputs, outputs))
    for each in (model, ko.convert(ko.quantize(model, "int8", x, verbose=0))):
        ko.export(each, tmp_path / "model.tflite")
        for image in (x, x[:2, :5, :4]):
            found = interpret(tmp_path / "model.tflite", image, "AUTO")
            np.testing.assert_allclose(found, run(each, image), atol=1e-5)


FUNCTIONS = {
    "elu": (layers.Activation("elu"), ["ELU"]),
    "exp": (ops.exp, ["EXP"]),
    "gelu": (layers.Activation("gelu"), ["GELU"]),
    "gelu_of_tanh": (lambda x: ops.gelu(x, approximate=True), ["GELU"]),
    "hard_sigmoid": (layers.Activation("hard_sigmoid"), ["ADD", "MUL"]),
    "hard_sigmoid_by_hand": (lambda x: layers.ReLU(6.0)(x + 3.0) * (1 / 6), ["ADD", "MUL"]),
    "hard_silu": (layers.Activation("hard_silu"), ["HARD_SWISH"]),
    "leaky_relu": (layers.LeakyReLU(0.1), ["LEAKY_RELU"]),
    "sigmoid": (layers.Activation("sigmoid"), ["LOGISTIC"]),
    "silu": (ops.silu, ["LOGISTIC", "MUL"]),
    "tanh": (layers.Activation("tanh"), ["TANH"]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_litert_has_on_integers_are_never_float(name, tmp_path):
    function, expected = FUNCTIONS[name]
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    inputs = keras.Input((8,))
    y = layers.Dense(4)(function(layers.Dense(16)(inputs)))
    integers = converted(keras.Model(inputs, y), x)
    ko.export(integers, tmp_path / "model.tflite")
    details = LiteRT(tmp_path / "model.tflite")._interpreter._get_ops_details()
    found = [each["op_name"] for each in details if each["op_name"] != "DELEGATE"]
    dense = ["QUANTIZE", "FULLY_CONNECTED", *expected, "FULLY_CONNECTED", "DEQUANTIZE"]
    assert found == dense
    report = ko.compare(integers, tmp_path / "model.tflite", x, isolated=True)
    assert all((row.steps or 0) <= 1 for row in report.tensors), report


CHANNELS_FIRST = {
    "max": layers.MaxPooling2D(2, **FIRST),
    "max_same": layers.MaxPooling2D(3, 2, padding="same", **FIRST),
    "average": layers.AveragePooling2D(2, **FIRST),
    "flatten": layers.Flatten(**FIRST),
    "transposed": layers.Conv2DTranspose(4, 3, 2, **FIRST),
    "bicubic": layers.UpSampling2D(2, interpolation="bicubic", **FIRST),
    "bilinear": layers.UpSampling2D(2, interpolation="bilinear", **FIRST),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, **FIRST),
    "grouped": layers.Conv2D(4, 3, groups=2, **FIRST),
    "normalization": layers.BatchNormalization(axis=1),
    "padding": layers.ZeroPadding2D(((1, 0), (2, 1)), **FIRST),
}


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("name", CHANNELS_FIRST)
def test_channels_first_keep_their_axes(name, tmp_path):
    from kerasopt.exporters.onnx.run import OnnxRuntime

    # No image is as wide as it has channels: Keras would add biases by columns.
    x = np.random.default_rng(0).normal(size=(3, 3, 12, 11)).astype("float32")
    layer = CHANNELS_FIRST[name]
    layer = type(layer).from_config(layer.get_config())
    inputs = keras.Input((3, 12, 11))
    y = layer(layers.Conv2D(6, 3, **FIRST)(inputs))
    integers = converted(keras.Model(inputs, y), x)
    expected = run(integers, x)
    for format, runtime, file in (
        ("litert", LiteRT, tmp_path / "model.tflite"),
        ("onnx", OnnxRuntime, tmp_path / "model.onnx"),
    ):
        ko.export(integers, file, format=format)
        (found,) = runtime(file)(x)
        np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_images_as_wide_as_they_have_channels(tmp_path):
    from kerasopt.exporters.onnx.run import OnnxRuntime

    rng = np.random.default_rng(0)
    last = layers.Conv2D(4, 3, padding="same", bias_initializer="normal")
    first = layers.Conv2D(4, 3, padding="same", **FIRST)
    x = rng.normal(size=(2, 5, 4, 3)).astype("float32")
    expected = run(last, x)
    model = keras.Sequential([keras.Input((3, 5, 4)), first])
    first.set_weights(last.get_weights())
    ko.export(model, tmp_path / "model.tflite")
    ko.export(model, tmp_path / "model.onnx", format="onnx")
    for runtime in (LiteRT(tmp_path / "model.tflite"), OnnxRuntime(tmp_path / "model.onnx")):
        (found,) = runtime(np.moveaxis(x, -1, 1))
        np.testing.assert_allclose(np.moveaxis(found, 1, -1), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Parts of")
def test_one_dimension_with_channels_first(tmp_path):
    from kerasopt.exporters.onnx.run import OnnxRuntime

    x = np.random.default_rng(0).normal(size=(3, 3, 12)).astype("float32")
    inputs = keras.Input((3, 12))
    y = layers.SeparableConv1D(4, 3, **FIRST)(layers.Conv1D(6, 3, **FIRST)(inputs))
    y = layers.Conv1DTranspose(4, 3, strides=2, **FIRST)(layers.MaxPooling1D(2, **FIRST)(y))
    integers = converted(keras.Model(inputs, y), x)
    ko.export(integers, tmp_path / "model.tflite")
    ko.export(integers, tmp_path / "model.onnx", format="onnx")
    for found in (LiteRT(tmp_path / "model.tflite")(x), OnnxRuntime(tmp_path / "model.onnx")(x)):
        np.testing.assert_allclose(found[0], run(integers, x), atol=1e-4)


def test_operations_that_converters_do_not_know(tmp_path):
    inputs = keras.Input((None,), dtype="int64")
    rows = ops.cast(ops.absolute(inputs)[:, None, :], "float32")
    scores = ops.matmul(rows, layers.Embedding(9, 4)(ops.absolute(inputs)))
    outputs = [scores, ops.argmax(scores, axis=-1), ops.argmax(scores, axis=1, keepdims=True)]
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).integers(-8, 9, (3, 5))
    ko.export(model, tmp_path / "model.tflite")
    for one, other in zip(LiteRT(tmp_path / "model.tflite")(x), run(model, x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_of_any_size_are_enlarged(interpolation, tmp_path):
    inputs = keras.Input((None, None, 3))
    x = layers.UpSampling2D((2, 3), interpolation=interpolation)(layers.Conv2D(3, 3)(inputs))
    integers = converted(keras.Model(inputs, x), images(4, 8))
    ko.export(integers, tmp_path / "model.tflite")
    for x in (images(2, 9), images(1, 7)):
        found = LiteRT(tmp_path / "model.tflite")(x)[0]
        np.testing.assert_allclose(found, run(integers, x), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize(
    ("layer", "operators"),
    [
        (layers.PReLU(shared_axes=[1, 2], alpha_initializer="normal"), ["PRELU"]),
        (layers.UpSampling2D(2, interpolation="bilinear"), ["RESIZE_BILINEAR", "QUANTIZE"]),
    ],
    ids=["prelu", "bilinear"],
)
def test_what_the_model_computes_in_float_is_of_integers_where_litert_has_it(
    layer, operators, tmp_path
):
    x = images(16, 8, 3)
    inputs = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(layer(layers.Conv2D(6, 3)(inputs)))
    integers = converted(keras.Model(inputs, y), x)
    ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    details = LiteRT(tmp_path / "model.tflite")._interpreter._get_ops_details()
    found = [each["op_name"] for each in details if each["op_name"] != "DELEGATE"]
    assert found == ["CONV_2D", *operators, "CONV_2D"]
    report = ko.compare(integers, tmp_path / "model.tflite", x, isolated=True)
    assert all((row.steps or 0) <= 1 for row in report.tensors), report
