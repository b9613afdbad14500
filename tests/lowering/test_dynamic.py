"""Dense layers on rows that are rounded as they come."""

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.exporters.litert.run import LiteRT
from kerasopt.exporters.onnx.run import OnnxRuntime
from kerasopt.inference.dynamic_dense import DynamicDense


@pytest.fixture(scope="module")
def dynamic():
    """Rows, a quantization-aware model and its converted form."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((10, 24))
    x = layers.Dense(32, activation="relu")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(16, use_bias=False)(x)))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(layers.Flatten()(x)))
    x = np.random.default_rng(0).normal(size=(32, 10, 24)).astype("float32")
    model = quantization_aware(randomize(model), x, "int8_dynamic")
    return x, model, ko.convert(model, "int8_dynamic")


def test_dense_layers_round_rows_and_multiply_integers(dynamic):
    x, model, converted = dynamic
    assert sum(isinstance(layer, DynamicDense) for layer in converted.layers) == 3
    np.testing.assert_allclose(run(converted, x), run(model, x), atol=0.01)
    report = ko.summary(converted, print_fn=len)
    assert set(report.macs_by_precision) == {(8, 8)}


def test_only_kernels_are_named_where_no_integers_flow(recwarn):
    inputs = keras.Input((6, 16))
    x = layers.LayerNormalization()(layers.Dense(16)(inputs))
    x = x + layers.MultiHeadAttention(2, 8)(x, x)
    model = keras.Model(inputs, layers.Dense(4)(layers.Conv1D(16, 3, name="conv")(x)))
    data = np.random.default_rng(0).normal(size=(8, 6, 16)).astype("float32")
    converted = ko.convert(quantization_aware(model, data, "int8_dynamic"))
    (warning,) = [str(each.message) for each in recwarn if "stay in float32" in str(each.message)]
    assert [line.rpartition(": ")[2] for line in warning.splitlines()[1:]] == ["conv"]
    floats = {x.path for x in ko.summary(converted, print_fn=len).layers if not x.is_integer}
    assert {path for path in floats if "dense" in path or "attention/" in path} == set()


def test_the_bits_are_the_same_compiled_and_loaded(dynamic, tmp_path):
    import tensorflow as tf

    x, _, converted = dynamic
    logits = keras.Model(converted.inputs, converted.layers[-2].output)
    expected = run(logits, x)
    for jit_compile in (False, True):
        compiled = tf.function(logits, jit_compile=jit_compile)
        np.testing.assert_array_equal(compiled(x), expected)
    logits.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        run(keras.models.load_model(tmp_path / "model.keras"), x), expected
    )


def test_files_have_int8_kernels(dynamic, tmp_path):
    x, _, converted = dynamic
    ko.export(converted, tmp_path / "model.tflite")
    ko.export(converted, tmp_path / "model.onnx", format="onnx")
    expected = run(converted, x)
    # LiteRT rounds rows to other integers. A value may be on the other side of a rounding.
    for form, file, most in ((LiteRT, "model.tflite", 0.03), (OnnxRuntime, "model.onnx", 1e-5)):
        found = form(tmp_path / file)(x)[0]
        assert np.quantile(np.abs(found - expected), 0.9) < most


def test_values_that_are_not_finite_are_defined():
    layer = DynamicDense(3)
    layer.build((None, 4))
    layer.set_floats(np.full((4, 3), 5), np.ones(3), np.ones(3), np.zeros(3))
    rows = np.array([[np.nan, 1, 1, 1], [0, 0, 0, 0]], "float32")
    np.testing.assert_allclose(layer(rows), [[15] * 3, [0] * 3], rtol=1e-6)
    with pytest.raises(ValueError, match="not finite"):
        layer.set_floats(np.ones((4, 3)), np.ones(3), np.ones(3), np.full(3, np.nan))
