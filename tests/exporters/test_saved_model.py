"""The SavedModel format: the same bits as the Keras model, in TensorFlow alone."""

import threading

import keras
import numpy as np
import processes
import pytest
import tensorflow as tf
from graph.models import residual_cnn
from keras import layers
from lowering import cases
from lowering.test_convert import mobile_cnn
from lowering.trained import images, quantization_aware, randomize, run
from tensorflow.core.protobuf import saved_model_pb2

import kerasopt as ko
from kerasopt.ops import native

SERVING = processes.TESTS / "exporters" / "serving.py"
OPS = ("native", "portable")


def residual(x):
    """Ends before softmax, which TensorFlow and XLA compute with other functions."""
    integers = converted(residual_cnn(), x)
    return keras.Model(integers.input, integers.layers[-2].output)


def dense():
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(6, activation="relu"), layers.Dense(3)], name="plain"
    )


def unknown_sizes():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(inputs)
    y = layers.AveragePooling2D(3, 1, padding="same")(layers.MaxPooling2D()(x))
    y = layers.Conv2D(4, 3, activation="silu")(layers.Conv2DTranspose(3, 3, strides=2)(y))
    x = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(y))
    return keras.Model(inputs, layers.Dense(3)(x))


def dictionaries():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = layers.Dense(4, activation="relu")(a)
    y = layers.Add()([x, layers.Dense(4)(b)])
    return keras.Model({"a": a, "b": b}, {"sum": y, "hidden": x, "same": b})


def rows(count=64, size=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)).astype("float32")


def converted(model, x, spec="int8"):
    return ko.convert(quantization_aware(randomize(model), x, spec))


# Name to an integer model, and inputs of other sizes than those that it was made with.
MODELS = {
    "residual_cnn": lambda: (residual(images()), [images(3)]),
    "mobile_cnn": lambda: (converted(mobile_cnn(), images(8, 32)), [images(5, 32)]),
    "sequential": lambda: (converted(dense(), rows()), [rows(1), rows(7)]),
    "unknown_sizes": lambda: (
        converted(unknown_sizes(), images(4, 32)),
        [images(2, 21), images(1, 40)],
    ),
    "dictionaries": lambda: (
        converted(dictionaries(), {"a": rows(size=4), "b": rows(size=4, seed=1)}),
        [{"a": rows(3, 4, 2), "b": rows(3, 4, 3)}],
    ),
}


@pytest.fixture(scope="module")
def integers():
    return MODELS["sequential"]()[0]


def serve(folder):
    """Returns the endpoint of a SavedModel, with what TensorFlow would forget of it."""
    loaded = tf.saved_model.load(str(folder))
    return lambda x: loaded.serve(x)


def op_types(folder):
    """Returns the types of all ops in a SavedModel."""
    content = (folder / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    functions = [function.node_def for function in graph.library.function]
    return {node.op for nodes in [graph.node, *functions] for node in nodes}


def assert_equal(found, expected):
    tf.nest.assert_same_structure(found, expected)
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("ops", OPS)
@pytest.mark.parametrize("name", MODELS)
def test_bits_are_those_of_the_model(tmp_path, name, ops):
    model, inputs = MODELS[name]()
    ko.export(model, tmp_path / "model", format="tf_saved_model", ops=ops)
    own = {op for op in op_types(tmp_path / "model") if op.startswith("Kerasopt")}
    assert bool(own) == (ops == "native")
    served = serve(tmp_path / "model")
    for x in inputs:
        expected = run(model, x)
        assert_equal(served(x), expected)
        # Here grappler and XLA know the sizes.
        assert_equal(tf.function(served)(x), expected)
        assert_equal(tf.function(served, jit_compile=True)(x), expected)


@pytest.mark.parametrize("name", cases.CASES)
def test_layers_between_others_are_portable(tmp_path, name):
    model = cases.make(name)
    x = rows(4, np.prod(model.input_shape[1:])).reshape(-1, *model.input_shape[1:])
    model = converted(model, x)
    ko.export(model, tmp_path / "model", format="tf_saved_model", ops="portable")
    assert not [op for op in op_types(tmp_path / "model") if op.startswith("Kerasopt")]
    assert_equal(serve(tmp_path / "model")(x), run(model, x))


@pytest.mark.filterwarnings("ignore:Parts of 'plain' stay")
@pytest.mark.parametrize("spec", ["int8_weight_only", "int16x8"])
def test_layers_that_stay_float_hold_their_weights_in_few_bits(tmp_path, spec):
    model = converted(dense(), rows(), spec)
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    assert_equal(serve(tmp_path / "model")(rows(3)), run(model, rows(3)))


def test_weights_are_variables_as_the_model_has_them(tmp_path):
    model, (x,) = MODELS["mobile_cnn"]()
    for ops in OPS:
        ko.export(model, tmp_path / ops, format="tf_saved_model", ops=ops)
        loaded = tf.saved_model.load(str(tmp_path / ops))
        kernels = [variable for variable in loaded.variables if variable.dtype == tf.int8]
        assert len(kernels) == len([v for v in model.weights if v.dtype == "int8"]) > 0
        assert len(loaded.variables) == len(model.weights)
        names = tf.train.list_variables(str(tmp_path / ops / "variables" / "variables"))
        assert len(names) == len(model.weights) + 1  # each once, and the graph of objects
        signature = loaded.signatures["serving_default"]
        assert all(s.shape[0] is None for s in signature.structured_input_signature[1].values())
        (found,) = signature(**{model.inputs[0].name: tf.constant(x)}).values()
        np.testing.assert_array_equal(found, run(model, x))


def test_serving_needs_tensorflow_and_the_library_alone(tmp_path):
    model, (x,) = MODELS["mobile_cnn"]()
    expected = run(model, x)
    np.save(tmp_path / "x.npy", x)
    for ops in OPS:
        ko.export(model, tmp_path / ops, format="tf_saved_model", ops=ops)
    processes.run(SERVING, tmp_path, tmp_path / "x.npy", native.LIBRARY_PATH)
    for ops in OPS:
        np.testing.assert_array_equal(np.load(tmp_path / f"{ops}.npy"), expected)


def test_the_library_loads_without_a_model(tmp_path):
    model, (x, _) = MODELS["sequential"]()
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    np.save(tmp_path / "x.npy", x)
    processes.run(
        "-c",
        "import numpy as np, tensorflow as tf\n"
        "from kerasopt.ops import native\n"
        "native.load()\n"
        f"model = tf.saved_model.load({str(tmp_path / 'model')!r})\n"
        f"y = model.serve(np.load({str(tmp_path / 'x.npy')!r}))\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, y)\n",
        KERAS_BACKEND="jax",
    )
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), run(model, x))


def test_float_models_are_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(native, "load", lambda: None)
    model = dense()
    ko.export(model, tmp_path / "model", format="tf_saved_model")
    served = serve(tmp_path / "model")
    np.testing.assert_allclose(served(rows()), run(model, rows()), rtol=1e-5, atol=1e-6)


def test_vocabularies_travel_with_the_model(tmp_path):
    lookup = layers.IntegerLookup(vocabulary=[7, 11, 13])
    inputs = keras.Input((2,), dtype="int64")
    model = keras.Model(inputs, layers.Dense(2)(layers.Embedding(4, 3)(lookup(inputs))))
    ko.export(model, tmp_path / "model", format="tf_saved_model", ops="portable")
    tokens = np.array([[7, 13], [11, 99]])
    np.testing.assert_allclose(
        serve(tmp_path / "model")(tokens), run(model, tokens), rtol=1e-5, atol=1e-6
    )


def test_keras_reads_it_as_a_layer(tmp_path, integers):
    ko.export(integers, tmp_path / "model", format="tf_saved_model")
    layer = keras.layers.TFSMLayer(tmp_path / "model", call_endpoint="serve")
    assert_equal(layer(rows()), run(integers, rows()))
    model = keras.Sequential([keras.Input((8,)), layer])
    np.testing.assert_array_equal(model.predict(rows(), verbose=0), run(integers, rows()))


def test_the_library_is_left_out_of_one_thread_only():
    found = []
    x = tf.constant(rows()[:0])
    with native.left_out():
        thread = threading.Thread(target=lambda: found.append(native.library_for(x)))
        thread.start()
        thread.join()
        assert native.library_for(x) is None
    assert found == [native.load()] and native.library_for(x) is native.load() is not None


def test_native_ops_need_the_library(tmp_path, monkeypatch, integers):
    monkeypatch.setattr(native, "load", lambda: None)
    with pytest.raises(ValueError, match="cannot be used here.*ops='portable'"):
        ko.export(integers, tmp_path / "model", format="tf_saved_model", ops="native")
    assert not list(tmp_path.iterdir())
    ko.export(integers, tmp_path / "model", format="tf_saved_model", ops="portable")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ops": "own"}, ValueError, "`ops` must be one of.*Received: ops='own'"),
        ({"opset": 17}, TypeError, "opset"),
        ({"io_dtype": "int8"}, TypeError, "io_dtype"),
    ],
)
def test_wrong_options_are_named(tmp_path, integers, options, error, message):
    with pytest.raises(error, match=message):
        ko.export(integers, tmp_path / "model", format="tf_saved_model", **options)
    assert not list(tmp_path.iterdir())


def test_quantizers_have_to_be_converted(tmp_path):
    model = quantization_aware(dense(), rows())
    with pytest.raises(ValueError, match="has quantizers: call `kerasopt.convert`"):
        ko.export(model, tmp_path / "model", format="tf_saved_model")


def test_only_a_saved_model_is_replaced(tmp_path, integers):
    path = tmp_path / "model"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not a SavedModel.*Received: path="):
        ko.export(integers, path, format="tf_saved_model")
    with pytest.raises(FileExistsError):
        ko.export(integers, path / "notes.txt", format="tf_saved_model")
    assert (path / "notes.txt").read_text() == "mine"
    (path / "notes.txt").unlink()
    for ops in OPS:  # an empty folder, then a SavedModel
        ko.export(integers, path, format="tf_saved_model", ops=ops)
        assert_equal(serve(path)(rows()), run(integers, rows()))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stage", ["save", "load"])
def test_a_failure_leaves_the_old_one_whole(tmp_path, monkeypatch, integers, stage):
    path = tmp_path / "model"
    ko.export(integers, path, format="tf_saved_model")

    def fail(*args, **kwargs):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, stage, fail)
        with pytest.raises(OSError, match="no space left"):
            ko.export(converted(dense(), rows(seed=1)), path, format="tf_saved_model")
    assert list(tmp_path.iterdir()) == [path]
    assert_equal(serve(path)(rows()), run(integers, rows()))


def test_other_backends_say_what_to_do(tmp_path):
    processes.run(
        "-c",
        "import keras, kerasopt as ko\n"
        "model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])\n"
        "for format, path in ('tf_saved_model', 'm'), ('litert', 'm.tflite'), ('onnx', 'm.onnx'):\n"
        "    try:\n"
        f"        ko.export(model, {str(tmp_path)!r} + '/' + path, format=format)\n"
        "    except ValueError as error:\n"
        "        assert 'KERAS_BACKEND=tensorflow' in str(error), error\n"
        "    else:\n"
        "        raise AssertionError(format)\n",
        KERAS_BACKEND="jax",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:Parts of")
def test_channels_first_keep_their_axes(tmp_path):
    first = {"data_format": "channels_first"}
    inputs = keras.Input((3, 12, 10))
    x = layers.Conv2D(6, 3, **first)(inputs)
    x = layers.BatchNormalization(axis=1)(layers.ZeroPadding2D(((1, 0), (2, 1)), **first)(x))
    x = layers.MaxPooling2D(3, 2, padding="same", **first)(x)
    x = layers.Conv2D(6, 3, groups=2, padding="same", **first)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", **first)(x)
    x = layers.Conv2DTranspose(4, 3, 2, **first)(layers.DepthwiseConv2D(3, **first)(x))
    x = layers.Cropping2D(1, **first)(layers.AveragePooling2D(2, **first)(x))
    outputs = layers.Dense(2)(layers.Flatten(**first)(x))
    x = np.random.default_rng(0).normal(size=(3, 3, 12, 10)).astype("float32")
    integers = ko.convert(ko.quantize(keras.Model(inputs, outputs), "int8", x, verbose=0))
    ko.export(integers, tmp_path / "model", format="tf_saved_model", ops="portable")
    served = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(served.serve(x), integers.predict(x, verbose=0), atol=1e-6)
