import keras
import numpy as np
import pytest
from callbacks.scores import Scores, fit, make, pruning, sparsity
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt.training import Run
from kerasopt.training.timed_callback import TimedCallback

# The other tests hold on any backend if these do.


def stopping(patience=100, **kwargs):
    return ko.callbacks.EarlyStopping(
        "score", patience=patience, mode="max", restore_best_weights=True, **kwargs
    )


def in_order(order, compressing, neighbour):
    return (compressing, neighbour) if order == "after" else (neighbour, compressing)


@pytest.mark.parametrize("patience, order", [(0, "after"), (2, "after"), (2, "before")])
def test_patience_counts_when_compression_is_complete(patience, order):
    scores = Scores([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    callbacks = in_order(order, pruning(), stopping(patience))
    history = fit(make(), scores, *callbacks, epochs=7)
    # Complete, and so best, in epoch 2.
    assert history.epoch[-1] == 2 + max(patience, 1)


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_best_complete_epoch_is_restored(order):
    model, scores = make(), Scores([0.9, 0.8, 0.5, 0.7, 0.6, 0.6])
    fit(model, scores, *in_order(order, pruning(), stopping()), epochs=6)
    for restored, noted in zip(model.get_weights(), scores.weights[3], strict=True):
        np.testing.assert_array_equal(restored, noted)
    assert sparsity(model) == 0.5


def test_masks_are_restored_with_the_weights():
    model, scores = make(), Scores([0.9, 0.5, 0.8, 0.7])
    with pytest.warns(UserWarning, match="cannot finish"):
        fit(model, scores, pruning(begin=4, end=20), stopping(), epochs=4)
    # Stage 1 from epoch 1 on, sparser in each.
    for restored, noted in zip(model.get_weights(), scores.weights[2], strict=True):
        np.testing.assert_array_equal(restored, noted)
    assert 0 < sparsity(model) < 0.5 * 8 / 16


def test_all_callbacks_have_to_be_complete():
    scores = Scores([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    quantization = ko.callbacks.QuantizationAware(begin=8)
    history = fit(make(), scores, pruning(1, 2), quantization, stopping(1), epochs=6)
    assert history.epoch[-1] == 3


def test_an_epoch_without_a_metric_leaves_no_weights_of_a_lower_stage():
    model, scores = make(), Scores([0.9, 0.8, None])
    with pytest.warns(UserWarning, match="`score` which is not available"):
        fit(model, scores, pruning(), stopping(), epochs=3)
    assert sparsity(model) == 0.5


def test_every_fit_begins_anew():
    model, callback = make(), stopping(1)
    fit(model, Scores([0.9, 0.8, 0.7]), pruning(), callback, epochs=3)
    with pytest.warns(UserWarning, match="cannot finish"):
        fit(model, Scores([0.6, 0.5]), pruning(4, 20), callback, epochs=2)
    assert (callback.stage, callback.best) == (1, 0.5)


def test_an_interrupted_fit_has_no_say_in_the_next():
    class Interruption(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model, interrupted = make(), pruning(1, 60)
    with pytest.raises(KeyboardInterrupt):
        fit(model, interrupted, Interruption(), epochs=20)
    history = fit(model, Scores([0.9, 0.8, 0.7, 0.6]), stopping(1), epochs=4)
    assert history.epoch[-1] == 1


def test_a_step_back_is_neither_better_nor_waited_for():
    class SteppingBack(TimedCallback):
        stages = iter([2, 1, 1, 2, 2])

        def make_run(self):
            return Run()

        @property
        def stage(self):
            return next(self.stages)

    model, scores = make(), Scores([0.5, 0.9, 0.9, 0.4, 0.3])
    history = fit(model, scores, SteppingBack(), stopping(2), epochs=6)
    assert history.epoch[-1] == 4
    np.testing.assert_array_equal(model.get_weights()[0], scores.weights[0][0])


def test_weights_that_are_there_in_training_only():
    class Temporary(keras.callbacks.Callback):
        def set_model(self, model):
            super().set_model(model)
            self.weight, self.mask = f"{model.layers[0].name}/kernel", ko.sparsity.Mask()
            ko.parametrize(model, self.weight, self.mask)

        def on_train_end(self, logs=None):
            ko.unparametrize(self.model, self.weight, self.mask)

    model, scores = make(), Scores([0.5, 0.9, 0.8])
    fit(model, scores, Temporary(), stopping(), epochs=3)
    np.testing.assert_array_equal(model.get_weights()[-1], scores.weights[1][-1])
    assert len(model.get_weights()) == len(scores.weights[1]) - 1


def test_a_metric_that_is_best_uncompressed():
    """With the learning rate 0 nothing but the masks moves: the loss rises with the zeros."""

    def train(early_stopping):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        x = np.random.default_rng(0).normal(size=(12, 8)).astype("float32")
        data = (x, model.predict_on_batch(x))
        callback = early_stopping("val_loss", patience=2, restore_best_weights=True)
        history = model.fit(
            *data, batch_size=4, epochs=8, verbose=0, validation_data=data,
            callbacks=[pruning(4, 11), callback],
        )  # fmt: skip
        return len(history.epoch), sparsity(model)

    assert train(keras.callbacks.EarlyStopping) == (3, 0)
    assert train(ko.callbacks.EarlyStopping) == (6, 0.5)


@settings(deadline=None, max_examples=50)
@given(
    scores=st.lists(st.sampled_from([None, 0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=8),
    arguments=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "min_delta": st.sampled_from([0, 0.15]),
            "patience": st.integers(0, 3),
            "baseline": st.sampled_from([None, 0.3]),
            "restore_best_weights": st.booleans(),
            "start_from_epoch": st.integers(0, 2),
        }
    ),
)
@pytest.mark.filterwarnings("ignore:Early stopping conditioned")
def test_without_compression_it_is_keras_own(scores, arguments):
    ends = []
    for package in (keras, ko):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        callback = package.callbacks.EarlyStopping("score", **arguments)
        callback.set_model(model)
        callback.on_train_begin()
        for epoch, score in enumerate(scores):
            model.set_weights([np.full((1, 1), epoch), np.zeros(1)])
            callback.on_epoch_end(epoch, {} if score is None else {"score": score})
            if getattr(model, "stop_training", False):
                break
        callback.on_train_end()
        last, _ = model.get_weights()
        ends.append((float(last[0, 0]), epoch, callback.best, callback.wait, callback.best_epoch))
    assert ends[0] == ends[1]
