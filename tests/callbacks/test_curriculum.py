import keras
import numpy as np
import pytest

from kerasopt.callbacks.curriculum import Curriculum
from kerasopt.curriculum import CurriculumDataset
from kerasopt.schedules.times import epochs

N, BATCH = 24, 4
STEPS = N // BATCH


class Recorder(keras.layers.Layer):
    """Counts, in variables, how often training has seen each sample in each update."""

    def build(self, shape):
        self.seen = self.add_weight(
            shape=(4 * STEPS, N), initializer="zeros", trainable=False, name="seen"
        )
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

    def call(self, x, training=False):
        if training:
            samples = keras.ops.sum(keras.ops.one_hot(keras.ops.cast(x[:, 0], "int32"), N), axis=0)
            row = keras.ops.one_hot(keras.ops.cast(self.step, "int32"), 4 * STEPS)
            self.seen.assign_add(row[:, None] * samples)
            self.step.assign_add(1.0)
        return x * self.gain


def recording_model(**kwargs):
    model = keras.Sequential([keras.Input((1,)), Recorder()])
    model.compile(keras.optimizers.SGD(0.0), "mse", **kwargs)
    return model


def plain_model(**kwargs):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-6, **kwargs), "mse")
    return model


def dataset(**kwargs):
    x = np.arange(N, dtype="float32")[:, None]
    return CurriculumDataset(x, x, scores=np.arange(N), batch_size=BATCH, **kwargs)


def seen_batches(model, epoch):
    rows = model.layers[-1].seen.numpy()
    return rows[epoch * STEPS : (epoch + 1) * STEPS]


def expected_batches(data, epoch):
    data.set_epoch(epoch)
    samples = [data[i][0][:, 0].astype(int) for i in range(STEPS)]
    return np.stack([np.bincount(batch, minlength=N) for batch in samples])


def ordered(batches):
    return batches[np.lexsort(batches.T)]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("steps_per_execution", [1, STEPS])
def test_training_sees_the_batches_of_each_epoch(shuffle, steps_per_execution):
    data, model = dataset(), recording_model(steps_per_execution=steps_per_execution)
    callback = Curriculum(data, pacing="linear", end="50%")
    model.fit(data, epochs=3, shuffle=shuffle, callbacks=[callback], verbose=0)
    for epoch in range(3):
        seen, expected = seen_batches(model, epoch), expected_batches(data, epoch)
        if shuffle:
            seen, expected = ordered(seen), ordered(expected)
        np.testing.assert_array_equal(seen, expected)
    assert (seen_batches(model, 2).sum(axis=0) == 1).all()  # all samples, once


def test_continues_at_the_initial_epoch_and_in_a_second_fit():
    whole, parts = recording_model(), recording_model()
    data = dataset()
    callback = Curriculum(data, end=14)
    whole.fit(data, epochs=3, shuffle=False, callbacks=[callback], verbose=0)
    with pytest.warns(UserWarning, match="cannot finish"):
        parts.fit(data, epochs=1, shuffle=False, callbacks=[callback], verbose=0)
    parts.fit(data, epochs=3, initial_epoch=1, shuffle=False, callbacks=[callback], verbose=0)
    np.testing.assert_array_equal(whole.get_weights()[0], parts.get_weights()[0])


def test_explicit_steps_of_a_whole_epoch_change_nothing():
    data, model = dataset(), recording_model()
    model.fit(
        data,
        epochs=2,
        steps_per_epoch=STEPS,
        shuffle=False,
        callbacks=[Curriculum(data, end="100%")],
        verbose=0,
    )
    np.testing.assert_array_equal(seen_batches(model, 1), expected_batches(data, 1))


@pytest.mark.parametrize("end", ["50%", 6, epochs(1)])
def test_times(end):
    data = dataset()
    plain_model().fit(data, epochs=2, callbacks=[Curriculum(data, end=end)], verbose=0)
    assert data.share(STEPS - 1) < 1 == data.share(STEPS)


def test_an_update_is_several_batches_with_gradient_accumulation():
    data, model = dataset(), plain_model(gradient_accumulation_steps=3)
    model.fit(data, epochs=2, callbacks=[Curriculum(data, begin=1, end=3)], verbose=0)
    assert data.share(3) == 0.01 and data.share(4) > 0.01
    assert data.share(8) < 1 == data.share(9)


def test_the_share_is_in_the_logs_of_training_alone():
    data, model = dataset(), plain_model()
    x = np.zeros((4, 1))
    history = model.fit(
        data,
        epochs=2,
        validation_data=(x, x),
        callbacks=[Curriculum(data, pacing="linear", end=10)],
        verbose=0,
    ).history
    assert history["curriculum"] == pytest.approx([0.505, 1.0])
    assert set(history) == {"loss", "val_loss", "curriculum"}
    assert len(model.metrics) == 1
    assert set(model.fit(x, x, verbose=0).history) == {"loss"}


def test_other_data_than_fit_iterates_over():
    data, other = dataset(), dataset()
    with pytest.raises(ValueError, match="does not iterate over"):
        plain_model().fit(other, callbacks=[Curriculum(data, end=3)], verbose=0)


@pytest.mark.parametrize(
    ("arguments", "fit_arguments", "message"),
    [
        ({"begin": 4, "end": "20%"}, {}, "Received: begin=4, end='20%'"),
        ({}, {"steps_per_epoch": STEPS - 1}, "5 steps in an epoch, 6 batches"),
    ],
)
def test_bad_arguments_before_training(arguments, fit_arguments, message):
    data, model = dataset(), recording_model()
    with pytest.raises(ValueError, match=message):
        model.fit(data, callbacks=[Curriculum(data, **arguments)], verbose=0, **fit_arguments)
    assert not model.layers[-1].seen.numpy().any()
    assert "make_train_function" not in vars(model)


def test_a_training_too_short_for_it():
    data = dataset()
    with pytest.warns(UserWarning, match="cannot finish in this training"):
        plain_model().fit(data, callbacks=[Curriculum(data, end=7)], verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": [1, 2]}, "Received: data of type list"),
        ({"pacing": "cubic"}, "Received: pacing='cubic'"),
        ({"begin": "50%", "end": "40%"}, "Received: begin='50%', end='40%'"),
        ({"end": "140%"}, "Received: end='140%'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Curriculum(**{"data": dataset(), **arguments})


def test_interrupted_training_leaves_no_trace():
    class CtrlC(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise KeyboardInterrupt

    data, model = dataset(), plain_model()
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, callbacks=[Curriculum(data, end=3), CtrlC()], verbose=0)
    x = np.zeros((4, 1))
    assert set(model.evaluate(x, x, verbose=0, return_dict=True)) == {"loss"}
    assert set(model.fit(x, x, verbose=0).history) == {"loss"}
    assert "make_train_function" not in vars(model)
