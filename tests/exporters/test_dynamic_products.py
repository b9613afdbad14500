"""Products of rows that are rounded as they come, in files of models that keep their class."""

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from lowering.test_in_place import TOKENS, quantized
from lowering.trained import run

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.onnx.run import OnnxRuntime


@pytest.fixture(scope="module")
def language():
    return ko.convert(quantized("int8_dynamic"))


def test_onnx_files_multiply_integers_as_the_model_does(language, tmp_path):
    path = tmp_path / "model.onnx"
    ko.export(language, path, format="onnx")
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    # In both blocks that of query, key and value, which have equal weights, and three more.
    assert kinds.count("MatMulInteger") == kinds.count("Round") == 8
    (found,) = OnnxRuntime(path)(TOKENS.astype("int32"))
    np.testing.assert_allclose(found, run(language, TOKENS), atol=1e-5)


def test_litert_files_have_int8_kernels_and_round_the_rows_themselves(language, tmp_path):
    path = tmp_path / "model.tflite"
    ko.export(language, path)
    assert kernels(path) == (1, 8)  # that of floats is the table
    (found,) = LiteRT(path)(TOKENS.astype("int32"))
    expected = run(language, TOKENS)
    # Another rounding than the model's: of rows that need not be symmetric.
    assert 1e-4 < np.abs(found - expected).max() / np.abs(expected).max() < 0.03


def kernels(path):
    """Returns how many products with constants are of floats, and how many of int8 kernels."""
    import tensorflow as tf

    plain = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    with pytest.warns(UserWarning, match="deprecated"):
        interpreter = tf.lite.Interpreter(str(path), experimental_op_resolver_type=plain)
    tensors = {each["index"]: each for each in interpreter.get_tensor_details()}
    products = [
        each for each in interpreter._get_ops_details() if each["op_name"] == "FULLY_CONNECTED"
    ]
    dtypes = [tensors[each["inputs"][1]]["dtype"] for each in products]
    return dtypes.count(np.float32), dtypes.count(np.int8)


def test_a_loop_over_time_rounds_its_rows(tmp_path):
    @keras.saving.register_keras_serializable(package="tests")
    class Steps(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.steps = layers.TimeDistributed(layers.Dense(8))

        def call(self, x):
            return self.steps(x)

    x = np.random.default_rng(0).normal(size=(2, 5, 16)).astype("float32")
    keras.utils.set_random_seed(0)
    model = Steps()
    model(x)
    model = ko.quantize(model, "int8_dynamic", verbose=0)
    expected = run(model, x)
    converted = ko.convert(model)
    np.testing.assert_allclose(run(converted, x), expected, atol=1e-5)
    ko.export(converted, tmp_path / "model.onnx", format="onnx")
    (found,) = OnnxRuntime(tmp_path / "model.onnx")(x)
    np.testing.assert_allclose(found, expected, atol=1e-5)
