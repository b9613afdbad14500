"""The most likely classes, and the rest of the mass."""

import keras
import numpy as np
import pytest
from distillation.caching.problem import N, X, cache, contents, model

CLASSES = 1000


def dense(tmp_path, activation=None, top_k=5, **options):
    teacher = model(CLASSES, activation=activation)
    outputs = teacher.predict(X, verbose=0)
    cached = cache(teacher, tmp_path / "cache", top_k=top_k, **options)
    return outputs, cached.read(np.arange(N))["outputs"]


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_the_kept_classes_are_exact_and_the_rest_is_even(tmp_path, activation):
    exact, rebuilt = dense(tmp_path, activation, dtype="float32")
    kept = exact.argsort(axis=-1)[:, -5:]
    if activation is None:
        np.testing.assert_allclose(
            np.take_along_axis(rebuilt, kept, -1), np.take_along_axis(exact, kept, -1), rtol=1e-4
        )
        exact, rebuilt = softmax(exact), softmax(rebuilt)
    np.testing.assert_allclose(rebuilt.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        np.take_along_axis(rebuilt, kept, -1), np.take_along_axis(exact, kept, -1), rtol=1e-4
    )
    others = np.ones_like(exact, bool)
    np.put_along_axis(others, kept, False, -1)
    rest = rebuilt[others].reshape(N, CLASSES - 5)
    np.testing.assert_allclose(rest, rest[:, :1].repeat(CLASSES - 5, axis=1), rtol=1e-6)


def test_takes_little_room(tmp_path):
    dense(tmp_path)
    # Values in float16, indices in two bytes, the rest in float32.
    assert sum(map(len, contents(tmp_path / "cache").values())) == N * (5 * (2 + 2) + 4)


def test_needs_classes_and_more_than_k(tmp_path):
    with pytest.raises(ValueError, match="`top_k` must be less than the number of classes"):
        cache(model(3), tmp_path / "cache", top_k=3)
    values = model(20)
    values.compile(loss="mse")
    with pytest.raises(ValueError, match="is not known to be of classes"):
        cache(values, tmp_path / "cache", top_k=3)
    assert not (tmp_path / "cache").exists()


def test_of_each_position(tmp_path):
    inputs = keras.Input((6,))
    teacher = keras.Model(inputs, keras.layers.Reshape((2, 20))(keras.layers.Dense(40)(inputs)))
    teacher.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    cached = cache(teacher, tmp_path / "cache", top_k=3)
    exact, rebuilt = teacher.predict(X, verbose=0), cached.read(np.arange(N))["outputs"]
    np.testing.assert_array_equal(exact.argmax(axis=-1), rebuilt.argmax(axis=-1))
