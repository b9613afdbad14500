"""Trainings with values that are not finite."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.parametrization import links_of_model

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = X[:, :3]
WAYS = {
    "default": {},
    "lsq": {"weight_quantizer": "lsq", "activation_quantizer": "lsq"},
    "percentile": {"observer": "percentile"},
    "dynamic": {"spec": "int8_dynamic"},
    "ternary": {"spec": "ternary"},
}


def make(policy="float32"):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(8, "relu", dtype=policy, name="first"),
        keras.layers.Dense(3, dtype=policy, name="last"),
    ]
    model = keras.Sequential([keras.Input((6,), dtype="float32"), *layers])
    optimizer = keras.optimizers.Adam()
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse")
    return model


def fit(model, x, *callbacks, **way):
    callbacks = [ko.callbacks.QuantizationAware(**way), *callbacks]
    options = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}
    return model.fit(x, Y[: len(x)], callbacks=callbacks, **options)


def with_one(value):
    x = X.copy()
    x[17, 2] = value
    return x


def ranges(model):
    return [link.observed for _, _, _, link in links_of_model(model) if hasattr(link, "observer")]


@pytest.mark.filterwarnings("ignore:.*not finite in some:UserWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_step_that_loss_scaling_skips_leaves_no_trace(way, bad):
    model = make("mixed_float16")
    fit(model, with_one(bad), **way)
    assert all(np.isfinite(np.array(variable)).all() for variable in model.variables)
    integers = ko.convert(model)
    assert np.isfinite(integers.predict(X, verbose=0)).all()


def test_the_ranges_are_those_of_the_other_batches():
    spoilt, expected = make("mixed_float16"), make("mixed_float16")
    for model in (spoilt, expected):
        model.optimizer.learning_rate = 0.0
    with pytest.warns(UserWarning, match="'first/input': '2 of 10 batches'"):
        fit(spoilt, with_one(np.inf), freeze="100%")
    fit(expected, np.delete(X, np.s_[16:24], axis=0), freeze="100%")
    np.testing.assert_allclose(ranges(spoilt), ranges(expected), rtol=1e-6)


def test_a_training_that_diverges_ends_as_without_quantizers():
    history = []
    for callbacks in ([], [ko.callbacks.QuantizationAware()]):
        model = make()
        for layer in model.layers:
            layer.kernel.assign(np.full(layer.kernel.shape, 1e30))
        callbacks.append(keras.callbacks.TerminateOnNaN())
        history.append(model.fit(X, Y, epochs=3, verbose=0, callbacks=callbacks).epoch)
    assert history[0] == history[1] and len(history[0]) == 1


@pytest.mark.filterwarnings("ignore:.*never anything but zero:UserWarning")
def test_convert_says_what_happened():
    model = make("mixed_float16")
    fit(model, np.full((16, 6), np.nan, "float32"), freeze="100%")
    with pytest.raises(ValueError, match="'first': 'non-finite values in each of 4 batc"):
        ko.convert(model)
