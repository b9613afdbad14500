"""Every pattern inside `fit`, in files and in the finalized model."""

import keras
import numpy as np
import pytest
from techniques import models
from techniques.training import Kill, Killed, loss, predict

import kerasopt as ko

# Pattern, the model it is tried on, and the sparsity it ends at.
CASES = [
    ("2:4", "sequential", 0.5),
    ("block3x1", "convolutional", 0.5),
    ("kernel", "convolutional", 0.5),
    ("filter", "convolutional", 0.5),
    ("channel", "convolutional", 0.5),
    ("head", "recurrent", 0.5),
]


def make(name):
    keras.utils.set_random_seed(0)
    model = models.ZOO[name]()
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.01)
    model.compile(optimizer, loss(), run_eagerly=keras.config.backend() == "tensorflow")
    return model


def pruning(pattern, sparsity):
    schedule = ko.schedules.Linear(0.0, sparsity, begin=0, end=4, frequency=2)
    return ko.callbacks.Pruning(schedule, pattern=pattern)


def fit(model, *callbacks):
    model.fit(models.Batches(model), epochs=2, verbose=0, callbacks=[*callbacks])
    return model


def masks(model):
    return [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]


@pytest.mark.parametrize("pattern, name, sparsity", CASES)
def test_it_prunes_saves_and_finalizes(pattern, name, sparsity, tmp_path):
    model = fit(make(name), pruning(pattern, sparsity))
    assert masks(model) and all(0 < 1 - mask.mean() < 0.7 for mask in masks(model))
    expected = predict(model)
    model.save(tmp_path / "it.keras")
    np.testing.assert_array_equal(predict(keras.models.load_model(tmp_path / "it.keras")), expected)
    ko.finalize(model, verbose=False)
    np.testing.assert_array_equal(predict(model), expected)


@pytest.mark.parametrize("pattern, name, sparsity", CASES)
def test_a_resumed_training_equals_an_uninterrupted_one(pattern, name, sparsity, tmp_path):
    straight = fit(make(name), pruning(pattern, sparsity))
    resumed = make(name)
    backup = ko.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(Killed):
        fit(resumed, pruning(pattern, sparsity), backup, Kill())
    fit(resumed, pruning(pattern, sparsity), backup)
    for a, b in zip(straight.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_filters_of_the_last_layer_stay_inside_its_wrapper_too():
    layers = [keras.layers.Conv1D(8, 3), keras.layers.TimeDistributed(keras.layers.Dense(4))]
    model = keras.Sequential([keras.Input((6, 3)), *layers])
    targets = ko.sparsity.attach_masks(model, "filter")
    assert {target.members[0].layer for target in targets} == {layers[0]}


def test_the_last_layer_of_a_subclassed_model_keeps_its_filters():
    targets = ko.sparsity.attach_masks(models.subclassed(), "filter")
    assert len(targets) == 3


class Looking(keras.Model):
    """A model whose code depends on values, so that it cannot be recorded."""

    def __init__(self):
        super().__init__()
        self.first, self.last = keras.layers.Dense(4), keras.layers.Dense(2)

    def call(self, x):
        y = self.first(x)
        return self.last(keras.ops.cond(keras.ops.any(x > 0), lambda: y, lambda: -y))


def test_what_cannot_be_known_of_the_filters_of_a_model_is_said():
    model = Looking()
    model(np.ones((1, 3)))
    with pytest.warns(UserWarning, match="unknown which layer is the last"):
        targets = ko.sparsity.attach_masks(model, "filter")
    assert len(targets) == 2
