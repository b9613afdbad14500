"""Parts of ONNX files that tf2onnx converts: loops, groups, functions that it does not know."""

import keras
import numpy as np
import pytest
from exporters.onnx_sessions import run_file
from keras import layers
from lowering.trained import quantization_aware, randomize, run

import kerasopt as ko


def rows(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("cell", [layers.GRU, layers.LSTM])
def test_loops_after_integers_run(cell, path):
    inputs = keras.Input((9, 6))
    x = layers.Conv1D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.Bidirectional(cell(4, return_sequences=True))(x)
    x, model = rows(8, 9, 6), keras.Model(inputs, layers.Dense(3)(x))
    integers = ko.convert(quantization_aware(randomize(model), x))
    ko.export(integers, path, format="onnx")
    # A value of the float part may be on the other side of a rounding.
    assert np.abs(run_file(path, x)[0] - run(integers, x)).max() < 0.02


@pytest.mark.parametrize(
    "function",
    [
        lambda x: keras.ops.gelu(x, approximate=False),
        keras.ops.celu,
        keras.ops.expm1,
        keras.ops.log1p,
        lambda x: keras.ops.argmax(x, axis=-1),
        lambda x: keras.ops.var(x),
    ],
    ids=["gelu", "celu", "expm1", "log1p", "argmax", "scalar"],
)
def test_functions_that_tf2onnx_does_not_know(function, path):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, function(keras.ops.absolute(inputs)))
    ko.export(model, path, format="onnx")
    x = rows(4, 6)
    np.testing.assert_allclose(run_file(path, x)[0], run(model, x), rtol=1e-5, atol=1e-6)


class Branches(layers.Layer):
    """Computes with its weights in one of two cases, which only the values tell."""

    def build(self, shape):
        self.dense = layers.Dense(4)
        self.dense.build(shape)

    def compute_output_spec(self, x):
        return keras.KerasTensor((x.shape[0], 4))

    def call(self, x):
        zeros = keras.ops.zeros((keras.ops.shape(x)[0], 4))
        return keras.ops.cond(keras.ops.sum(x) > 0, lambda: self.dense(x), lambda: zeros)


def test_branches_read_weights(path):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, Branches()(inputs))
    ko.export(model, path, format="onnx")
    for x in (np.ones((2, 6), "float32"), -np.ones((3, 6), "float32")):
        np.testing.assert_allclose(run_file(path, x)[0], run(model, x), atol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_quotients_are_rounded_down(dtype, path):
    inputs = keras.Input((6,), dtype=dtype)
    quotients = [f(inputs, y) for f in (keras.ops.mod, keras.ops.floor_divide) for y in (3, -3)]
    model = keras.Model(inputs, quotients)
    ko.export(model, path, format="onnx")
    x = np.array([[7, -7, 6, -6, 1, -1]], dtype)
    for found, expected in zip(run_file(path, x), run(model, x), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore:Parts of")
def test_convolutions_in_loops_and_in_groups(path):
    inputs = keras.Input((4, 6, 6, 2))
    x = layers.ConvLSTM2D(4, 3, padding="same")(inputs)
    x = layers.Conv2D(4, 3, groups=2)(layers.Conv2D(4, 1)(x))
    model = randomize(keras.Model(inputs, x))
    x = rows(3, 4, 6, 6, 2)
    for each in (model, ko.convert(ko.quantize(model, "int8", x, verbose=0))):
        ko.export(each, path, format="onnx")
        np.testing.assert_allclose(run_file(path, x)[0], run(each, x), atol=1e-5)
