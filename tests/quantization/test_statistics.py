import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.quantization import reestimate_statistics

X = np.random.default_rng(0).normal(2, 3, size=(64, 4)).astype("float32")


def network():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, name="dense"),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5),
            layers.Dense(2, name="top"),
        ]
    )
    model.get_layer("norm").moving_mean.assign(np.full(8, 100.0))
    return model


def test_statistics_are_the_averages_over_the_data():
    model = network()
    norm = model.get_layer("norm")
    y = keras.ops.convert_to_numpy(model.get_layer("dense")(X))
    others = [w.numpy() for w in model.weights if "moving" not in w.path]
    reestimate_statistics(model, X, batch_size=16)
    np.testing.assert_allclose(norm.moving_mean, y.mean(axis=0), rtol=1e-4)
    variances = [part.var(axis=0) for part in np.split(y, 4)]
    np.testing.assert_allclose(norm.moving_variance, np.mean(variances, axis=0), rtol=1e-4)
    assert norm.momentum == 0.99 and "call" not in vars(norm)
    for old, new in zip(others, [w for w in model.weights if "moving" not in w.path], strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_what_it_has_changed_is_put_back_after_an_error():
    model = network()
    norm = model.get_layer("norm")
    with pytest.raises(ValueError, match="incompatible"):
        reestimate_statistics(model, X[:, :3])
    assert norm.momentum == 0.99 and "call" not in vars(norm)


@pytest.mark.parametrize("data", [None, X[:0]])
def test_without_data_it_raises(data):
    with pytest.raises(ValueError, match="1 batch normalizations, 0 batches"):
        reestimate_statistics(network(), data)
