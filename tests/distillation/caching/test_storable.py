"""Numbers that cannot be stored."""

import keras
import numpy as np
import pytest
from distillation.caching.problem import N, X, cache


def scaled(factor, activation=None, loss=None):
    inputs = keras.Input((6,))
    outputs = keras.layers.Activation(activation or "linear")(inputs * factor)
    teacher = keras.Model(inputs, outputs)
    teacher.compile(loss=loss)
    return teacher


def test_float16_overflow_asks_for_float32(tmp_path):
    with pytest.raises(ValueError, match=r"holds numbers up to 65504: pass dtype='float32'"):
        cache(scaled(1e5), tmp_path / "cache")
    # The same folder may be used: nothing was written.
    outputs = cache(scaled(1e5), tmp_path / "cache", dtype="float32").read(np.arange(N))["outputs"]
    np.testing.assert_allclose(outputs, X * 1e5, rtol=1e-6)


def test_the_largest_float16_is_stored(tmp_path):
    largest = np.full((N, 6), 65519.0, "float32")
    outputs = cache(scaled(1.0), tmp_path / "cache", largest).read(np.arange(N))["outputs"]
    np.testing.assert_array_equal(outputs, 65504)
    for value in (65520.0, -65520.0):
        with pytest.raises(ValueError, match="pass dtype='float32'"):
            cache(scaled(1.0), tmp_path / "other", np.full((N, 6), value, "float32"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_name_the_sample(tmp_path, value):
    x = X.copy()
    x[37, 2] = value
    for dtype in ("float16", "float32"):
        with pytest.raises(ValueError, match="NaN or infinity for sample 37"):
            cache(scaled(2.0), tmp_path / dtype, x, dtype=dtype)


def test_probabilities_that_vanish_ask_for_float32(tmp_path):
    probabilities = {"activation": "softmax", "loss": "categorical_crossentropy"}
    with pytest.raises(ValueError, match="which is 0 in float16, but losses take its logarithm"):
        cache(scaled(50.0, **probabilities), tmp_path / "cache")
    cache(scaled(50.0, **probabilities), tmp_path / "float32", dtype="float32")
    logits = keras.losses.CategoricalCrossentropy(from_logits=True)
    cache(scaled(1e-9, loss=logits), tmp_path / "logits")  # which are as good as 0


def test_integers_keep_their_dtype(tmp_path):
    inputs = keras.Input((6,))
    teacher = keras.Model(inputs, keras.ops.argmax(inputs, axis=-1))
    outputs = cache(teacher, tmp_path / "cache").read(np.arange(N))["outputs"]
    assert outputs.dtype.kind == "i"
    np.testing.assert_array_equal(outputs, X.argmax(axis=-1))


def test_outputs_of_bfloat16_are_stored(tmp_path):
    inputs = keras.Input((6,))
    teacher = keras.Model(inputs, keras.ops.cast(inputs, "bfloat16"))
    outputs = cache(teacher, tmp_path / "cache").read(np.arange(N))["outputs"]
    np.testing.assert_allclose(outputs, X, rtol=2**-7)


def test_outputs_of_another_shape_are_refused(tmp_path):
    inputs = keras.Input((None, 2))
    teacher = keras.Model(inputs, inputs * 2)

    class Growing(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.zeros((4, 3 + index, 2)), np.zeros(4)

    with pytest.raises(ValueError, match="must have the same shape for all samples"):
        cache(teacher, tmp_path / "cache", Growing(workers=1))
