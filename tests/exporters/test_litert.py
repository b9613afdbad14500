"""LiteRT files: what is in them, and what is refused."""

import keras
import numpy as np
import pytest
from graph.models import Subclassed
from keras import layers
from lowering.test_convert import mobile_cnn
from lowering.trained import images, quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.exporters.litert.run import LiteRT


@pytest.fixture(scope="module")
def mobile():
    keras.utils.set_random_seed(0)
    x = images(16, 32)
    return x, ko.convert(quantization_aware(randomize(mobile_cnn()), x))


def dense(activation=None):
    inputs = keras.Input((8,), name="features")
    x = layers.Dense(6, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation, name="top")(x))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    return x, ko.convert(quantization_aware(randomize(model), x))


def test_a_file_computes_what_the_model_does_for_any_batch(mobile, tmp_path):
    x, integers = mobile
    ko.export(integers, tmp_path / "model.tflite", format="litert")
    litert = LiteRT(tmp_path / "model.tflite")
    for count in (1, 16, 3):
        np.testing.assert_array_equal(litert(x[:count])[0], run(integers, x[:count]))


def test_kernels_are_a_byte_each(mobile, tmp_path):
    _, integers = mobile
    ko.export(integers, tmp_path / "model.tflite")
    kernels = sum(np.prod(w.shape) for w in integers.weights if w.dtype == "int8")
    assert kernels < (tmp_path / "model.tflite").stat().st_size < kernels + 16_000


def test_inputs_and_outputs_are_int8_on_request(tmp_path):
    x, integers = dense()
    ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    litert = LiteRT((tmp_path / "model.tflite").read_bytes())
    (entry,), (end,) = litert.inputs, litert.outputs
    assert entry["dtype"] == end["dtype"] == np.int8
    scale, zero_point = entry["quantization"]
    quantized = np.clip(np.rint(x / np.float32(scale)) + zero_point, -128, 127).astype("int8")
    scale, zero_point = end["quantization"]
    found = (litert(quantized)[0].astype("float32") - zero_point) * np.float32(scale)
    np.testing.assert_array_equal(found, run(integers, x))


def test_names_are_those_of_the_model(tmp_path):
    import tensorflow as tf

    _, integers = dense()
    ko.export(integers, tmp_path / "model.tflite")
    runner = tf.lite.Interpreter(str(tmp_path / "model.tflite")).get_signature_runner()
    assert list(runner.get_input_details()) == ["features"]
    assert list(runner.get_output_details()) == ["output_0"]  # as in Keras' own files
    assert LiteRT(tmp_path / "model.tflite").outputs[0]["name"] == "top_dequantize"


def test_structures_are_flattened_in_order(tmp_path):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, activation="relu", name="hidden")(b)
    y = layers.Add(name="sum")([x, layers.Dense(4)(a)])
    model = keras.Model({"b": b, "a": a}, {"sum": y, "hidden": x, "same": a})
    generator = np.random.default_rng(0)
    x = {name: generator.normal(size=(64, 4)).astype("float32") for name in "ab"}
    integers = ko.convert(quantization_aware(randomize(model), x))
    ko.export(integers, tmp_path / "model.tflite")
    flat = keras.tree.flatten(run(integers, x))
    found = LiteRT(tmp_path / "model.tflite")(*keras.tree.flatten(x))
    for left, right in zip(found, flat, strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_stays_float_is_converted_and_runs(tmp_path):
    inputs = keras.Input((12, 8))
    x = layers.Conv1D(8, 3, activation="relu")(inputs)
    x = layers.GRU(6, return_sequences=True)(x)
    x = layers.Dense(4)(layers.PReLU()(layers.Dense(8)(x)))
    model = keras.Model(inputs, layers.Softmax()(x))
    x = np.random.default_rng(0).normal(size=(16, 12, 8)).astype("float32")
    model = quantization_aware(randomize(model), x)
    with pytest.warns(UserWarning, match="stay in float32"):
        integers = ko.convert(model)
    ko.export(integers, tmp_path / "model.tflite")
    litert = LiteRT(tmp_path / "model.tflite")
    found = np.concatenate([litert(each[None])[0] for each in x])
    # A value of the float part may be on the other side of a rounding.
    assert np.abs(found - run(integers, x)).max() < 0.02


def test_float_models_are_exported_too(tmp_path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(3, "tanh")])
    x = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    ko.export(model, tmp_path / "model.tflite")
    np.testing.assert_allclose(LiteRT(tmp_path / "model.tflite")(x)[0], run(model, x), atol=1e-6)


def test_a_clamp_that_litert_does_not_know(tmp_path):
    x, integers = dense()
    integers.layers[2].output_max = 50
    ko.export(integers, tmp_path / "model.tflite")
    np.testing.assert_array_equal(LiteRT(tmp_path / "model.tflite")(x)[0], run(integers, x))


def test_a_residual_that_is_scaled_needs_no_float(tmp_path):
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    model = keras.Model(inputs, CustomScaleLayer(0.17)([x, layers.Conv2D(4, 1)(x)]))
    x = images(32, 8, 4)
    integers = ko.convert(quantization_aware(randomize(model), x))
    ko.export(integers, tmp_path / "model.tflite")
    litert = LiteRT(tmp_path / "model.tflite")
    np.testing.assert_array_equal(litert(x)[0], run(integers, x))
    # What comes in is rounded, what goes out is multiplied out, and no more.
    details = litert._interpreter.get_tensor_details()
    assert sum(entry["dtype"] == np.float32 for entry in details) == 2


def test_a_padded_input_is_int8_too(mobile, tmp_path):
    _, integers = mobile
    ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    (entry,) = LiteRT(tmp_path / "model.tflite").inputs
    assert entry["dtype"] == np.int8


def test_a_softmax_at_the_end_is_of_integers_if_the_output_is(tmp_path):
    x, integers = dense("softmax")
    nodes = [len(layer._outbound_nodes) for layer in integers.layers]
    ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    assert nodes == [len(layer._outbound_nodes) for layer in integers.layers]
    (end,) = LiteRT(tmp_path / "model.tflite").outputs
    assert end["quantization"] == (1 / 256, -128)
    report = ko.compare(integers, tmp_path / "model.tflite", x)
    assert report.tensors[-1].largest < 1 / 256


def test_what_cannot_be_int8_says_why(tmp_path):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(3)(layers.Rescaling(1 / 255)(inputs)))
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    integers = ko.convert(quantization_aware(model, x))
    with pytest.raises(ValueError, match="Input '.*' cannot be int8"):
        ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    _, integers = dense("log_softmax")
    with pytest.raises(ValueError, match="Output '.*' cannot be int8: 'Activation' computes"):
        ko.export(integers, tmp_path / "model.tflite", io_dtype="int8")
    with pytest.raises(ValueError, match="`io_dtype` must be .*Received: io_dtype='int4'"):
        ko.export(integers, tmp_path / "model.tflite", io_dtype="int4")
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_file_that_was_there(mobile, tmp_path, monkeypatch):
    _, integers = mobile
    path = tmp_path / "model.tflite"
    path.write_bytes(b"before")
    monkeypatch.setattr(ForeignProcess, "check", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ko.export(integers, path)
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_bad_arguments_are_named(mobile, tmp_path):
    _, integers = mobile
    with pytest.raises(ValueError, match="`format` must be one of .*Received: format='h5'"):
        ko.export(integers, tmp_path / "model.tflite", format="h5")
    with pytest.raises(ValueError, match="must end in `.tflite`.*model.onnx"):
        ko.export(integers, tmp_path / "model.onnx", format="litert")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ko.export(integers, tmp_path / "missing" / "model.tflite")
    with pytest.raises(TypeError, match=r"has the options \['io_dtype', .*Received: opset=21"):
        ko.export(integers, tmp_path / "model.tflite", opset=21)
    with pytest.raises(TypeError, match="must be a Keras model"):
        ko.export("model", tmp_path / "model.tflite")


def weight_only():
    inputs = keras.Input((16, 16, 8))
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(inputs)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2)(x))
    model = keras.Model(inputs, layers.Dense(64, name="top")(layers.Flatten()(layers.ReLU()(x))))
    return model, images(8, 16, 8)


@pytest.mark.parametrize("dynamic_range", [False, True])
def test_kernels_that_float_layers_hold_are_a_byte_each(dynamic_range, tmp_path):
    keras.utils.set_random_seed(0)
    model, x = weight_only()
    model = quantization_aware(randomize(model), x, "int8_weight_only")
    held = ko.convert(model, "int8_weight_only")
    ko.export(held, tmp_path / "held.tflite", dynamic_range=dynamic_range)
    ko.export(ko.finalize(model, verbose=False), tmp_path / "float.tflite")
    size, whole = ((tmp_path / f"{name}.tflite").stat().st_size for name in ("held", "float"))
    assert size < 0.3 * whole
    found, expected = LiteRT(tmp_path / "held.tflite")(x)[0], run(held, x)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    # Rounded as they come, activations have an error; else only sums have another order.
    assert 1e-4 < error < 0.05 if dynamic_range else error < 1e-5


def test_subclassed_float_models_are_exported_too(tmp_path):
    model = Subclassed()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    expected = run(model, x)
    ko.export(model, tmp_path / "model.tflite")
    np.testing.assert_allclose(LiteRT(tmp_path / "model.tflite")(x)[0], expected, atol=1e-6)


def test_parts_that_only_pass_their_input_on(tmp_path):
    inputs = keras.Input((12, 8))
    x = layers.Rescaling(1.0)(inputs)  # the converter leaves nothing of it
    x = layers.GRU(4)(layers.Conv1D(8, 3, activation="relu")(x))
    model = keras.Model(inputs, [layers.Dense(2)(x), inputs])
    x = np.random.default_rng(0).normal(size=(8, 12, 8)).astype("float32")
    model = quantization_aware(randomize(model), x)
    with pytest.warns(UserWarning, match="GRU"):
        integers = ko.convert(model)
    ko.export(integers, tmp_path / "model.tflite")
    found = LiteRT(tmp_path / "model.tflite")(x[:1])
    for left, right in zip(found, run(integers, x[:1]), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_operators_of_tensorflow_are_written_only_if_asked_for(tmp_path):
    from tensorflow.lite.python import schema_py_generated as schema

    inputs = keras.Input((2, 2))
    x = keras.ops.cholesky(keras.ops.matmul(inputs, inputs) + 9 * np.eye(2, dtype="float32"))
    model = keras.Model(inputs, layers.Dense(3)(x))
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=r"cholesky.*no \['tf.Cholesky'\].*with flex=True"):
        ko.export(model, path)
    ko.export(model, path, flex=True)
    file = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    assert [each.customCode for each in file.operatorCodes if each.customCode] == [b"FlexCholesky"]
