import keras
import numpy as np
import pytest

from kerasopt.curriculum import loss_scores

RNG = np.random.default_rng(0)
X = RNG.normal(size=(11, 3)).astype("float32")
Y = RNG.integers(0, 4, 11)


def teacher(loss=None):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(4, activation="softmax")]
    )
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()]
)
@pytest.mark.parametrize("batch_size", [4, 100])
def test_scores_are_the_losses_of_the_samples(loss, batch_size):
    model = teacher(loss)
    scores = loss_scores(model, X, Y, batch_size=batch_size, verbose=0)
    expected = -np.log(model.predict(X, verbose=0)[np.arange(11), Y])
    assert scores.shape == (11,) and scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_losses_are_averaged_over_further_axes():
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.Dense(2)])
    x, y = RNG.normal(size=(6, 5, 3)), RNG.normal(size=(6, 5, 2))
    scores = loss_scores(model, x, y, loss="mse", batch_size=4, verbose=0)
    expected = np.square(model.predict(x, verbose=0) - y).mean(axis=(1, 2))
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Add()([a, b]))
    scores = loss_scores(model, {"a": X, "b": -X}, X, loss="mse", batch_size=4, verbose=0)
    np.testing.assert_allclose(scores, np.square(X).mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("loss", [None, ["mse"]])
def test_no_single_loss(loss):
    with pytest.raises(ValueError, match="Received: loss="):
        loss_scores(teacher(loss), X, Y, verbose=0)


def test_lengths_differ():
    with pytest.raises(ValueError, match="y of length 10"):
        loss_scores(teacher(), X, Y[:10], loss="mse", verbose=0)


def test_batch_size_zero():
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        loss_scores(teacher(), X, Y, loss="mse", batch_size=0, verbose=0)


def test_losses_that_are_not_finite():
    x = X.copy()
    x[3] = np.nan
    with pytest.raises(ValueError, match="1 NaN or infinite losses of 11"):
        loss_scores(teacher("sparse_categorical_crossentropy"), x, Y, verbose=0)
