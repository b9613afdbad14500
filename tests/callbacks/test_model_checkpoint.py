import pathlib

import keras
import numpy as np
import pytest
from callbacks.scores import Scores, fit, make, pruning, sparsity
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasopt as ko


def checkpoint(directory, name="{epoch}.weights.h5", package=ko, **kwargs):
    arguments = {"monitor": "score", "mode": "max", "save_best_only": True} | kwargs
    weights_only = name.endswith(".weights.h5")
    return package.callbacks.ModelCheckpoint(
        directory / name, save_weights_only=weights_only, **arguments
    )


def saved(directory: pathlib.Path):
    return sorted(path.name.split(".")[0] for path in directory.iterdir())


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_higher_stage_is_always_better(tmp_path, order):
    neighbours = [pruning(), checkpoint(tmp_path)]
    if order == "before":
        neighbours.reverse()
    fit(make(), Scores([0.9, 0.8, 0.5, 0.7, 0.6, 0.8]), *neighbours, epochs=6)
    # Stage 0 is epoch 1 by the count of files, stage 1 epoch 2, complete are the others.
    assert saved(tmp_path) == ["1", "2", "3", "4", "6"]


def test_the_file_holds_the_best_compressed_model(tmp_path):
    model, scores = make(), Scores([0.9, 0.8, 0.5, 0.7, 0.6])
    fit(model, scores, pruning(), checkpoint(tmp_path, "best.keras"), epochs=5)
    best = keras.models.load_model(tmp_path / "best.keras")
    assert sparsity(best) == 0.5
    model.set_weights(scores.weights[3])
    x = np.random.default_rng(0).normal(size=(4, 6))
    np.testing.assert_array_equal(best.predict_on_batch(x), model.predict_on_batch(x))


def test_a_lower_stage_never_overwrites(tmp_path):
    model, callback = make(), checkpoint(tmp_path / "first", "{epoch}.weights.h5")
    fit(model, Scores([0.5, 0.5, 0.5]), pruning(), callback, epochs=3)
    callback.filepath = str(tmp_path / "second" / "{epoch}.weights.h5")
    fit(model, Scores([0.9, 0.8, 0.4, 0.6]), pruning(), callback, epochs=4)
    assert saved(tmp_path / "second") == ["4"]


def test_training_on_without_compression_goes_by_the_metric(tmp_path):
    model, callback = make(), checkpoint(tmp_path / "first", "{epoch}.weights.h5")
    fit(model, Scores([0.9, 0.8, 0.5]), pruning(), callback, epochs=3)
    callback.filepath = str(tmp_path / "second" / "{epoch}.weights.h5")
    fit(model, Scores([0.4, 0.6]), callback, epochs=2)
    assert saved(tmp_path / "second") == ["2"]


def test_the_threshold_holds_at_every_stage(tmp_path):
    callback = checkpoint(tmp_path, initial_value_threshold=0.6)
    fit(make(), Scores([0.9, 0.8, 0.5, 0.7, 0.65]), pruning(), callback, epochs=5)
    assert saved(tmp_path) == ["1", "2", "4"]


class Falling(keras.callbacks.Callback):
    """Logs a score that is lower with every batch."""

    score = 1.0

    def on_train_batch_end(self, batch, logs=None):
        self.score *= 0.9
        logs["score"] = self.score


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_order_of_batches(tmp_path, order):
    """By batches, too, the file holds what its stage says, and from the first epoch on."""
    neighbours = [
        ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=4)),
        checkpoint(tmp_path, "{epoch}-{batch}.keras", save_freq=1),
    ]
    if order == "before":
        neighbours.reverse()
    fit(make(), Falling(), *neighbours, epochs=2)
    files = {name: keras.models.load_model(tmp_path / f"{name}.keras") for name in saved(tmp_path)}
    assert {name: sparsity(model) for name, model in files.items()} == {"1-1": 0, "2-1": 0.5}


def test_every_epoch_is_saved_if_not_only_the_best(tmp_path):
    fit(make(), pruning(), checkpoint(tmp_path, save_best_only=False), epochs=3)
    assert saved(tmp_path) == ["1", "2", "3"]


@settings(deadline=None, max_examples=50)
@given(
    scores=st.lists(st.sampled_from([None, 0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=8),
    arguments=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "save_best_only": st.booleans(),
            "initial_value_threshold": st.sampled_from([None, 0.25]),
        }
    ),
)
@pytest.mark.filterwarnings("ignore:Can save best model only")
def test_without_compression_it_is_keras_own(scores, arguments):
    files = []
    for package in (keras, ko):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        written = []
        model.save_weights = lambda path, overwrite, written=written: written.append(path)
        callback = checkpoint(pathlib.Path(), package=package, **arguments)
        callback.set_model(model)
        for epoch, score in enumerate(scores):
            callback.on_epoch_end(epoch, {} if score is None else {"score": score})
        files.append((written, callback.best))
    assert files[0] == files[1]
