"""What goes in and out of files: dtypes, names, and layers that augment only in training."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers
from lowering.trained import randomize, run

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.onnx.run import OnnxRuntime

RUNTIMES = {"litert": (LiteRT, "model.tflite"), "onnx": (OnnxRuntime, "model.onnx")}
DTYPES = ("bool", "float16", "float64", "int16", "uint8", "uint32")


def exported(model, format, folder):
    runtime, name = RUNTIMES[format]
    ko.export(model, folder / name, format=format)
    return runtime(folder / name)


def of_dtype(dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, (4, 8))
    inputs = keras.Input((8,), dtype=dtype)
    x1 = layers.Dense(4, activation="relu")(keras.ops.cast(inputs, "float32"))
    # Read by a layer of integers, passed on, and returned in its own dtype.
    outputs = [layers.Dense(2)(x1), inputs]
    if dtype != "bool":
        outputs.append(layers.Dense(3)(inputs))
    return x.astype(dtype), keras.Model(inputs, outputs)


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("dtype", DTYPES)
def test_inputs_and_outputs_have_any_dtype(dtype, tmp_path):
    x, model = of_dtype(dtype)
    integers = ko.convert(ko.quantize(model, "int8", calibration=x, verbose=0), "int8")
    for format in RUNTIMES:
        found = exported(integers, format, tmp_path)(x)
        for one, other in zip(found, run(integers, x), strict=True):
            assert one.dtype == np.asarray(other).dtype
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("format", RUNTIMES)
def test_other_dtypes_are_named(format, tmp_path):
    inputs = keras.Input((8,), dtype="bfloat16", name="features")
    model = keras.Model(inputs, layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="Input 'features' has a dtype.*Received: dtype='bfloat16"):
        exported(model, format, tmp_path)


@pytest.mark.parametrize("format", RUNTIMES)
def test_strings_are_looked_up_before_the_model(format, tmp_path):
    city = keras.Input((1,), dtype="string", name="city")
    lookup = layers.StringLookup(vocabulary=["oslo", "rome"], output_mode="one_hot")
    model = keras.Model(city, layers.Dense(2)(lookup(city)))
    with pytest.raises(ValueError, match="'city'.*Look strings up before.*dtype='string'") as info:
        exported(model, format, tmp_path)
    assert "Cast" not in str(info.value)


def test_arithmetic_that_litert_does_not_have_is_named(tmp_path):
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2, dtype="bfloat16", name="brief")(inputs))
    model = keras.Model(inputs, keras.ops.cast(model(inputs), "float32"))
    with pytest.raises(ValueError, match=r"LiteRT has no form of \['.*brief'.*of \['bf16'\]"):
        exported(model, "litert", tmp_path)


def attention(divided, minimum="float32"):
    """Returns a model of tokens and their mask that attends by hand, with numbers of NumPy."""
    inputs, mask = keras.Input((6, 8)), keras.Input((6,), name="mask")
    q, k, v = (layers.Dense(8)(inputs) for _ in range(3))
    scores = divided(keras.ops.matmul(q, keras.ops.transpose(k, (0, 2, 1))))
    scores = scores + (1.0 - mask)[:, None, :] * np.finfo(minimum).min
    outputs = layers.Dense(3)(keras.ops.matmul(keras.ops.softmax(scores), v))
    return keras.Model([inputs, mask], outputs)


class Scaled(layers.Layer):
    def call(self, x):
        return keras.ops.divide(x, np.sqrt(8)) + keras.ops.zeros((), "float64")


WIDE = {
    "quotient": lambda s: s / np.sqrt(8),
    "product": lambda s: s * np.float64(0.35),
    "sum": lambda s: s + np.float64(0.5),
    "array of no axis": lambda s: s / np.array(2.8),
    "array": lambda s: s * np.ones(6),
    "layer": lambda s: Scaled()(s),
}


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("name", WIDE)
def test_litert_computes_float64_in_float32(name, tmp_path):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4, 6, 8)).astype("float32")
    mask = np.ones((4, 6), "float32")
    mask[::2, 4:] = 0
    model = attention(WIDE[name])
    integers = ko.convert(ko.quantize(model, "int8", calibration=[x, mask], verbose=0))
    for each in (model, integers):
        (found,) = exported(each, "litert", tmp_path)(x, mask)
        np.testing.assert_allclose(found, each.predict([x, mask], verbose=0), atol=1e-5)
        details = LiteRT(tmp_path / "model.tflite")._interpreter.get_tensor_details()
        assert "float64" not in {np.dtype(detail["dtype"]).name for detail in details}


def test_numbers_that_float32_does_not_have_are_its_largest(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 6, 8)).astype("float32")
    mask = (np.arange(6) < [[4], [5], [6], [1]]).astype("float32")
    model = attention(WIDE["quotient"], "float64")
    (found,) = exported(model, "litert", tmp_path)(x, mask)
    np.testing.assert_allclose(found, model.predict([x, mask], verbose=0), atol=1e-5)


def structured():
    a, b = keras.Input((4,), name="image"), keras.Input((3,), name="other")
    score, box = layers.Dense(2, name="alpha")(a), layers.Dense(3, name="beta")(b)
    return {"image": a, "other": b}, score, box


STRUCTURES = {
    "dictionary": (lambda s, b: {"score": s, "box": b}, ["box", "score"]),
    "list": (lambda s, b: [s, b], ["output_0", "output_1"]),
    "alone": (lambda s, b: s, ["output_0"]),
    "nested": (lambda s, b: {"score": [s, b], "box": {"b": b}}, ["box_b", "score_0", "score_1"]),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_outputs_have_the_names_of_keras_own_files(name, tmp_path):
    inputs, score, box = structured()
    arrange, names = STRUCTURES[name]
    model = keras.Model(inputs, arrange(score, box))
    ko.export(model, tmp_path / "model.tflite")
    signature = LiteRT(tmp_path / "model.tflite")._interpreter.get_signature_list()
    (found,) = signature.values()
    assert found["outputs"] == names and found["inputs"] == ["image", "other"]
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    assert sorted(served.structured_outputs) == names
    if isinstance(model.output, dict):
        ko.export(model, tmp_path / "model.onnx", format="onnx")
        outputs = [each.name for each in onnx.load(tmp_path / "model.onnx").graph.output]
        assert outputs == names


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("cls", [layers.RandomTranslation, layers.RandomZoom])
def test_nothing_is_augmented(cls, tmp_path):
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((8, 8, 3)), cls(0.5, 0.5)])
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(inner(inputs)))
    model = randomize(keras.Model(inputs, layers.Dense(2)(x)))
    x = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype("float32")
    quantized = ko.quantize(model, "int8", calibration=x, verbose=0)
    for each in (model, ko.convert(quantized)):
        expected = each.predict(x, verbose=0)
        for format in RUNTIMES:
            found = exported(each, format, tmp_path)(x)[0]
            np.testing.assert_allclose(found, expected, atol=1e-5)
        folder = tmp_path / each.name
        ko.export(each, folder, format="tf_saved_model", ops="portable")
        served = tf.saved_model.load(str(folder))
        for _ in range(2):
            np.testing.assert_allclose(served.serve(x), expected, atol=1e-6)


@pytest.mark.parametrize("format", RUNTIMES)
def test_state_between_calls_is_refused(format, tmp_path):
    inputs = keras.Input(batch_shape=(2, 5, 3))
    model = keras.Model(inputs, layers.LSTM(4, stateful=True, name="memory")(inputs))
    with pytest.raises(ValueError, match=r"no state between calls, and \['memory'\]"):
        exported(model, format, tmp_path)


class Counting(layers.Layer):
    def build(self, shape):
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def call(self, x):
        self.count.assign_add(1.0)
        return x * self.count


@pytest.mark.parametrize("format", RUNTIMES)
def test_variables_that_change_are_refused(format, tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Counting(name="counting")(inputs))
    with pytest.raises(ValueError, match=r"\['counting'\] write to variables"):
        exported(model, format, tmp_path)


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("cls", [layers.MixUp, layers.RandomGrayscale])
def test_numbers_that_are_drawn_for_nothing_keep_no_file_away(cls, format, tmp_path):
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, layers.Conv2D(2, 3)(cls(seed=0)(inputs)))
    x = np.random.default_rng(0).uniform(size=(2, 6, 6, 3)).astype("float32")
    (found,) = exported(model, format, tmp_path)(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("format", RUNTIMES)
def test_images_that_inference_does_not_crop_have_their_own_size(format, tmp_path):
    inputs = keras.Input((8, 8, 3))
    cropped = layers.RandomCrop(6, 6, name="crop")(inputs)
    model = keras.Model(inputs, layers.Conv2D(2, 3)(cropped))
    x = np.random.default_rng(0).uniform(size=(4, 8, 8, 3)).astype("float32")
    integers = ko.convert(ko.quantize(model, "int8", calibration=x, verbose=0))
    with pytest.warns(UserWarning, match=r"'crop' computes \(None, 8, 8, 3\), not \(None, 6, 6"):
        (found,) = exported(integers, format, tmp_path)(x)
    np.testing.assert_allclose(found, integers.predict(x, verbose=0), atol=1e-6)
    # Where nothing reads the shape, nothing is said.
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(cropped)))
    (found,) = exported(model, format, tmp_path)(x)
    np.testing.assert_allclose(found, model.predict(x, verbose=0), atol=1e-6)
