"""Models that their first batch builds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasopt as ko

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, "relu")
        self.head = keras.layers.Dense(2)

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def sequential():
    return keras.Sequential([keras.layers.Dense(16, "relu"), keras.layers.Dense(2)])


def compiled(make, built=False, **options):
    keras.utils.set_random_seed(1)
    model = make()
    if built:
        model(X[:1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], **options)
    return model


def fit(model, *callbacks, data=(X, Y), **kwargs):
    return model.fit(
        *data, epochs=4, shuffle=False, verbose=0, callbacks=list(callbacks), **kwargs
    ).history


@pytest.mark.parametrize("make", [sequential, Subclassed])
@pytest.mark.parametrize("steps", [1, 2])
def test_they_train_as_those_that_are_built_before(make, steps):
    teacher = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    histories, weights = [], []
    for built in (True, False):
        model = compiled(make, built, steps_per_execution=steps)
        histories.append(
            fit(
                model,
                ko.callbacks.Distillation(teacher),
                ko.callbacks.Pruning(0.5),
                ko.callbacks.QuantizationAware("int8", begin="50%"),
            )
        )
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    for before, later in zip(*weights, strict=True):
        np.testing.assert_array_equal(before, later)
    zeros = [np.mean(value == 0) for value in weights[1] if value.ndim == 2 and value.dtype != bool]
    assert zeros and min(zeros) >= 0.5


def test_data_sets_build_them():
    model = compiled(sequential)
    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    fit(model, ko.callbacks.Pruning(0.5), data=(batches,), validation_data=batches)
    assert np.mean(keras.ops.convert_to_numpy(model.layers[0].kernel) == 0) == 0.5


def test_drop_in_layers_are_compressed():
    layers = [ko.layers.Dense(16, "relu", pruning=0.5), keras.layers.Dense(2)]
    model = compiled(lambda: keras.Sequential(layers))
    fit(model, ko.callbacks.Compression())
    assert np.mean(keras.ops.convert_to_numpy(model.layers[0].kernel) == 0) == 0.5


def test_callbacks_that_rank_are_warned_of():
    ranking = keras.callbacks.EarlyStopping("loss", patience=9)
    with pytest.warns(UserWarning, match=r"kerasopt\.callbacks\.EarlyStopping"):
        fit(compiled(sequential), ko.callbacks.QuantizationAware(begin="50%"), ranking)


def test_what_is_refused_leaves_a_model_that_trains():
    model = compiled(sequential)
    callbacks = [ko.callbacks.Pruning(0.5), ko.callbacks.Pruning(0.7)]
    with pytest.raises(ValueError, match="govern the same 2 weights"):
        fit(model, *callbacks)
    assert not any(hasattr(layer, "parametrizations") for layer in model.layers)
    assert fit(model, callbacks[0])["loss"]


def test_a_model_without_call_says_what_to_do():
    class OwnStep(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = sequential()

        def train_step(self, data):
            return {"loss": keras.ops.mean(self.inner(data[0]))}

    model = compiled(OwnStep)
    with pytest.raises(ValueError, match="is not built"):
        fit(model, ko.callbacks.Pruning(0.5))
    assert not model.built


def test_a_callback_is_used_again_after_a_fit_without_batches():
    pruning = ko.callbacks.Pruning(0.5)
    model = compiled(sequential)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, pruning, Stop())
    fit(model, pruning)
    assert np.mean(keras.ops.convert_to_numpy(model.layers[0].kernel) == 0) == 0.5
