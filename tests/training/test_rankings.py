import warnings

import keras
import numpy as np
import pytest

import kerasopt as ko

X = np.random.default_rng(0).normal(size=(16, 4))
Y = X[:, :2]


class Scores(keras.callbacks.Callback):
    """Logs the scores of a training in which the epochs before compression are the best."""

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = 4.0 - epoch


def fit(*callbacks, epochs=4):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    model.compile("adam", "mse", run_eagerly=keras.config.backend() == "tensorflow")
    options = {"batch_size": 8, "verbose": 0, "epochs": epochs}
    return model, model.fit(X, Y, callbacks=[Scores(), *callbacks], **options).history


def gradual(**options):
    return ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.75, end="60%", **options))


def said(*callbacks):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(*callbacks)
    return [str(each.message) for each in found if "ranks epochs" in str(each.message)]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_of_keras_beside_compression_warns(first, restore):
    stopping = keras.callbacks.EarlyStopping("score", mode="max", restore_best_weights=restore)
    (message,) = said(*([stopping, gradual()] if first else [gradual(), stopping]))
    assert "Use `kerasopt.callbacks.EarlyStopping`" in message and "monitor='score'" in message


def test_checkpoints_of_the_best_warn_and_others_do_not(tmp_path):
    path = tmp_path / "best.keras"
    best = keras.callbacks.ModelCheckpoint(path, "score", mode="max", save_best_only=True)
    (message,) = said(gradual(), ko.callbacks.QuantizationAware("int8", begin="50%"), best)
    assert "kerasopt.callbacks.ModelCheckpoint" in message
    assert not said(gradual(), keras.callbacks.ModelCheckpoint(path))


def test_what_ranks_the_stage_or_has_nothing_to_wait_for_does_not_warn():
    ours = ko.callbacks.EarlyStopping("score", mode="max", restore_best_weights=True)
    theirs = keras.callbacks.EarlyStopping("score", mode="max")
    assert not said(gradual(), ours)
    assert not said(ko.callbacks.Pruning(0.5), theirs)
    assert not said(ko.callbacks.QuantizationAware("int8", freeze="50%"), theirs)
    assert not said(theirs)


def test_the_metric_counts_only_when_compression_is_complete():
    metric = ko.callbacks.CompressedMetric("score", mode="max")
    _, history = fit(gradual(), metric)
    assert history["score"] == [4.0, 3.0, 2.0, 1.0]
    assert history["compressed_score"] == [-np.inf, -np.inf, 2.0, 1.0]
    _, history = fit(gradual(), ko.callbacks.CompressedMetric("loss"))
    assert history["compressed_loss"] == [np.inf, np.inf, *history["loss"][2:]]
    _, history = fit(metric)
    assert history["compressed_score"] == history["score"]


def test_the_best_by_the_metric_is_compressed(tmp_path):
    # As trackers and tuners do: the best epoch by a value in the logs.
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5",
        "compressed_score",
        mode="max",
        save_best_only=True,
        save_weights_only=True,
    )
    metric = ko.callbacks.CompressedMetric("score", mode="max")
    _, history = fit(gradual(), metric, best)
    plain, _ = fit(epochs=1)
    plain.load_weights(tmp_path / "best.weights.h5")
    assert [(layer.kernel.numpy() == 0).mean() for layer in plain.layers] == [0.75, 0.75]


@pytest.mark.parametrize(
    ("callbacks", "monitor", "message"),
    [
        ([ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=100))], "loss", "train longer"),
        ([], "val_accuracy", r"no such value, only \['loss', 'score'\]"),
    ],
)
def test_a_metric_that_no_epoch_has_warns(callbacks, monitor, message):
    with pytest.warns(UserWarning, match=f"No epoch has a 'compressed_{monitor}'.*{message}"):
        fit(*callbacks, ko.callbacks.CompressedMetric(monitor))


def test_a_metric_of_which_nothing_tells_the_direction_is_refused():
    with pytest.raises(ValueError, match="Received: metric='score', mode='auto'"):
        fit(gradual(), ko.callbacks.CompressedMetric("score"))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("compress", ["pruning", "quantization"])
def test_averaged_weights_are_as_sparse_and_as_rounded(first, compress):
    ours = {"pruning": gradual, "quantization": ko.callbacks.QuantizationAware}[compress]()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1, use_ema=True), "mse")
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    order = [swap, ours] if first else [ours, swap]
    model.fit(X, Y, batch_size=8, epochs=4, verbose=0, callbacks=order)
    before = model.predict(X, verbose=0)
    ko.finalize(model)
    for layer in model.layers:
        if compress == "pruning":
            assert (layer.kernel.numpy() == 0).mean() == 0.75
        else:
            assert all(len(np.unique(column)) <= 8 for column in layer.kernel.numpy().T)
    if compress == "pruning":
        np.testing.assert_allclose(model.predict(X, verbose=0), before, rtol=1e-5)
