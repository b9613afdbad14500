"""ONNX files: what is in them, what onnxruntime computes with them, and what is refused."""

import sys
from collections import Counter

import keras
import numpy as np
import onnx
import pytest
from exporters.onnx_sessions import run_file, session
from graph.models import Subclassed, nested, residual_cnn
from keras import layers
from lowering import cases
from lowering.test_convert import mobile_cnn
from lowering.trained import images, quantization_aware, randomize, run
from onnx import numpy_helper

import kerasopt as ko
from kerasopt.exporters.foreign_process import ForeignProcess
from kerasopt.exporters.onnx.run import OnnxRuntime
from kerasopt.inference import Affine
from kerasopt.inference.integer.layer import IntegerLayer


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def converted(model, x):
    return ko.convert(quantization_aware(randomize(model), x))


def dense():
    inputs = keras.Input((8,), name="features")
    x = layers.Dense(6, activation="relu", name="hidden")(inputs)
    return keras.Model(inputs, layers.Dense(3, name="top")(x))


@pytest.fixture(scope="module")
def mobile():
    keras.utils.set_random_seed(0)
    x = images(16, 32)
    return x, converted(mobile_cnn(), x)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    x = rows(32, 8)
    return x, converted(dense(), x)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


def attention():
    inputs = keras.Input((6, 8))
    x = layers.Dense(8)(inputs)
    return keras.Model(inputs, layers.Dense(3)(layers.MultiHeadAttention(2, 4)(x, x)))


def embedded():
    inputs = keras.Input((6,), dtype="int32")
    return keras.Model(inputs, layers.Dense(3)(layers.Embedding(20, 8)(inputs)))


def moved():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(6, 1, activation="relu6")(inputs)
    x = layers.Cropping2D(1)(layers.UpSampling2D(2)(x))
    x = layers.SpatialDropout2D(0.1)(layers.Permute((2, 1, 3))(x))
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(x)
    x = keras.ops.transpose(keras.ops.flip(x, axis=1), (0, 2, 1, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    return keras.Model(inputs, layers.Reshape((-1, 6))(x))


def branches():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(4, 3, padding="same", dilation_rate=(2, 1))(x)
    return keras.Model(inputs, layers.Conv2D(3, 1)(layers.Concatenate()([x, y])))


def shared():
    inputs = keras.Input((8,))
    layer = layers.Dense(8, activation="relu", name="shared")
    return keras.Model(inputs, layer(layer(inputs)))


MODELS = {
    "attention": (attention, lambda: rows(64, 6, 8)),
    "branches": (branches, lambda: images(64, 8, 4)),
    "embedded": (embedded, lambda: np.arange(60, dtype="int32").reshape(10, 6) % 20),
    "mobile": (mobile_cnn, lambda: images(32, 32)),
    "moved": (moved, lambda: images(16, 8, 4)),
    "nested": (nested, lambda: rows(64, 4)),
    "residual": (residual_cnn, images),
    "shared": (shared, lambda: rows(64, 8)),
}


@pytest.mark.filterwarnings("error:Parts of")
@pytest.mark.parametrize("name", [*MODELS, *cases.CASES])
def test_every_layer_computes_the_integers_of_the_model(name, path):
    keras.utils.set_random_seed(1)
    if name in MODELS:
        make, data = MODELS[name]
        model, x = make(), data()
    else:
        model, x = cases.make(name), rows(64, *cases.CASES[name][0])
    integers = converted(model, x)
    ko.export(integers, path, format="onnx")
    report = ko.compare(integers, path, x, isolated=True)
    compared = {row.name for row in report.tensors if row.steps is not None}
    expected = [layer.name for layer in integers.layers if getattr(layer, "output_affine", None)]
    assert set(expected) <= compared
    for row in report.tensors:
        if row.name in compared:
            assert row.steps <= 1, report
            # onnxruntime normalizes layers, and convolves with gaps, in float32.
            assert row.size * (1 - row.equal) <= max(1.5, row.size / 1000), report


def test_a_network_of_integers_has_equal_outputs_for_any_batch(mobile, path):
    x, integers = mobile
    ko.export(integers, path, format="onnx")
    for count in (1, 16, 3):
        np.testing.assert_array_equal(run_file(path, x[:count])[0], run(integers, x[:count]))


def test_runtimes_fuse_every_layer(mobile, path, tmp_path):
    _, integers = mobile
    ko.export(integers, path, format="onnx")
    # An image is transposed once, where it comes in.
    assert Counter(node.op_type for node in onnx.load(path).graph.node)["Transpose"] == 1
    session(path, tmp_path / "optimized.onnx")
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert kinds["QLinearConv"] == 5 and not kinds["Conv"]
    assert kinds["QLinearAdd"] == kinds["QLinearGlobalAveragePool"] == kinds["QGemm"] == 1
    assert kinds["QuantizeLinear"] == kinds["DequantizeLinear"] == 1


def test_integers_and_scales_are_written_as_they_are(small, path):
    _, integers = small
    ko.export(integers, path, format="onnx")
    graph = onnx.load(path).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}

    def weight(name):
        node = producers[name]
        assert node.op_type == "DequantizeLinear"
        return [constants[each] for each in node.input]

    layer = integers.get_layer("hidden")
    rounding = producers["hidden"]
    gemm = producers[rounding.input[0]]
    kernel, scale, zeros = weight(gemm.input[1])
    np.testing.assert_array_equal(kernel, layer.kernel.numpy(), strict=True)
    np.testing.assert_array_equal(scale, layer.kernel_scale.numpy(), strict=True)
    assert not zeros.any() and zeros.dtype == np.int8
    bias, bias_scale, zeros = weight(gemm.input[2])
    np.testing.assert_array_equal(bias, layer.bias.numpy(), strict=True)
    input_scale = np.float32(layer.input_affine.scale)
    np.testing.assert_array_equal(bias_scale, input_scale * scale, strict=True)
    assert not zeros.any() and zeros.dtype == np.int32
    output_scale, zero_point = (constants[each] for each in rounding.input[1:])
    assert output_scale == np.float32(layer.output_affine.scale)
    assert zero_point == layer.output_affine.zero_point and zero_point.dtype == np.int8


def test_kernels_are_a_byte_each(mobile, path):
    _, integers = mobile
    ko.export(integers, path, format="onnx")
    kernels = sum(np.prod(weight.shape) for weight in integers.weights if weight.dtype == "int8")
    assert kernels < path.stat().st_size < kernels + 16_000


def test_names_are_those_of_the_model(small, path):
    x, integers = small
    ko.export(integers, path, format="onnx")
    graph = onnx.load(path).graph
    (entry,), (end,) = graph.input, graph.output
    assert entry.name == "features" and end.name == "top_dequantize"
    for value, size in ((entry, 8), (end, 3)):
        batch, features = value.type.tensor_type.shape.dim
        assert batch.dim_param == "batch" and features.dim_value == size
    computed = {name for node in graph.node for name in node.output}
    assert {layer.name for layer in integers.layers[1:]} <= computed
    assert [row.name for row in ko.compare(integers, path, x).tensors][-1] == "top_dequantize"


def test_structures_are_flattened_in_order(path):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, activation="relu", name="hidden")(b)
    y = layers.Add(name="sum")([x, layers.Dense(4)(a)])
    model = keras.Model({"b": b, "a": a}, {"sum": y, "hidden": x, "same": a, "again": y})
    x = {name: rows(64, 4, seed=seed) for seed, name in enumerate("ab")}
    integers = converted(model, x)
    ko.export(integers, path, format="onnx")
    found, expected = run_file(path, x), keras.tree.flatten(run(integers, x))
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_images_of_any_size(path):
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(4, 3, padding="same", dilation_rate=2)(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3, padding="same")(x))
    integers = converted(keras.Model(inputs, layers.Dense(3)(x)), images(8, 16))
    ko.export(integers, path, format="onnx")
    for x in (images(1, 16), images(3, 21)):
        np.testing.assert_array_equal(run_file(path, x)[0], run(integers, x))


def test_sequences_of_any_length(path):
    inputs = keras.Input((None, 12))
    x = layers.BatchNormalization()(layers.Dense(5)(layers.Dense(7, activation="relu")(inputs)))
    integers = converted(keras.Model(inputs, x), rows(64, 9, 12))
    ko.export(integers, path, format="onnx")
    for x in (rows(1, 9, 12), rows(3, 4, 12)):
        np.testing.assert_array_equal(run_file(path, x)[0], run(integers, x))


def test_a_clamp_that_is_no_end_of_int8(small, path):
    x, _ = small
    integers = converted(dense(), x)
    layer = integers.get_layer("hidden")
    layer.output_min, layer.output_max = -100, 50
    ko.export(integers, path, format="onnx")
    np.testing.assert_array_equal(run_file(path, x)[0], run(integers, x))


def test_what_stays_float_is_converted_and_runs(path):
    inputs = keras.Input((12, 8))
    x = layers.Conv1D(8, 3, activation="relu")(inputs)
    x = layers.GRU(5, return_sequences=True)(layers.GRU(6, return_sequences=True)(x))
    x = layers.Dense(4)(layers.PReLU()(layers.Dense(8)(x)))
    x, model = rows(16, 12, 8), keras.Model(inputs, layers.Softmax(name="probabilities")(x))
    with pytest.warns(UserWarning, match="stay in float32"):
        integers = converted(model, x)
    ko.export(integers, path, format="onnx")
    assert [each.name for each in onnx.load(path).graph.output] == ["probabilities"]
    # A value of the float part may be on the other side of a rounding.
    assert np.abs(run_file(path, x)[0] - run(integers, x)).max() < 0.02


def test_float_models_are_exported_too(path):
    x = rows(5, 4)
    model = nested()
    ko.export(model, path, format="onnx")
    np.testing.assert_allclose(run_file(path, x)[0], run(model, x), atol=1e-6)


@pytest.mark.parametrize("opset", [21, 22, 23])
def test_the_version_of_the_operators_is_a_choice(path, opset):
    keras.utils.set_random_seed(0)
    integers = converted(residual_cnn(), images())
    ko.export(integers, path, format="onnx", opset=opset)
    versions = {each.domain: each.version for each in onnx.load(path).opset_import}
    assert versions[""] == opset
    np.testing.assert_allclose(run_file(path, images())[0], run(integers, images()), atol=1e-6)


@keras.saving.register_keras_serializable("tests_onnx")
class Unknown(IntegerLayer):
    def call(self, inputs):
        return -inputs


def unknown_layer():
    inputs = keras.Input((4,), dtype="int8")
    affine = Affine(0.1, 0)
    return keras.Model(inputs, Unknown(input_affine=affine, output_affine=affine)(inputs))


def unknown_function():
    import tensorflow as tf

    inputs = keras.Input((2, 2))
    return keras.Model(inputs, layers.Lambda(lambda x: tf.linalg.cholesky(x), name="root")(inputs))


def test_subclassed_models_are_called_on_symbols(path):
    model, x = Subclassed(), rows(4, 3)
    expected = run(model, x)
    ko.export(model, path, format="onnx")
    np.testing.assert_allclose(OnnxRuntime(path)(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (unknown_layer, r"ONNX has no form of 'unknown.*' \(Unknown\)"),
        (unknown_function, r"ONNX has no form of \['root'\]: tf2onnx does not know \['Cholesky'\]"),
    ],
)
def test_what_has_no_form_is_named(make, message, path):
    with pytest.raises(ValueError, match=message):
        ko.export(make(), path, format="onnx")
    assert not path.exists()


def test_bad_arguments_are_named(small, tmp_path):
    _, integers = small
    with pytest.raises(ValueError, match="must end in `.onnx`.*model.tflite"):
        ko.export(integers, tmp_path / "model.tflite", format="onnx")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ko.export(integers, tmp_path / "missing" / "model.onnx", format="onnx")
    with pytest.raises(TypeError, match="io_dtype"):
        ko.export(integers, tmp_path / "model.onnx", format="onnx", io_dtype="int8")
    with pytest.raises(ValueError, match="`opset` must be one of .*Received: opset=3"):
        ko.export(integers, tmp_path / "model.onnx", format="onnx", opset=3)
    assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_run_replaces_none(small, path, monkeypatch):
    _, integers = small
    path.write_bytes(b"before")
    monkeypatch.setattr(ForeignProcess, "check", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ko.export(integers, path, format="onnx")
    assert path.read_bytes() == b"before" and list(path.parent.iterdir()) == [path]


def test_without_a_runtime_a_file_is_checked_and_written(small, path, tmp_path, monkeypatch):
    # The process that checks finds no onnxruntime where Python looks for packages.
    hidden = tmp_path / "hidden" / "sitecustomize.py"
    hidden.parent.mkdir()
    hidden.write_text("import sys; sys.modules['onnxruntime'] = None")
    monkeypatch.syspath_prepend(hidden.parent)
    x, integers = small
    ko.export(integers, path, format="onnx")
    onnx.checker.check_model(path, full_check=True)
    with pytest.raises(ValueError, match="onnxruntime"):
        ko.compare(integers, path, x)


def test_without_the_packages_it_says_what_to_install(small, path, monkeypatch):
    _, integers = small
    for name in [name for name in sys.modules if name.startswith("kerasopt.exporters.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install .kerasopt\[onnx\]"):
        ko.export(integers, path, format="onnx")
    assert not path.exists()


def test_a_damaged_file_is_named(small, path):
    x, integers = small
    ko.export(integers, path, format="onnx")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="onnxruntime cannot read .*model.onnx"):
        ko.compare(integers, path, x)
