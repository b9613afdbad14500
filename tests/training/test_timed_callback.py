import gc
import weakref

import keras
import numpy as np
import pytest

from kerasopt.schedules import Linear
from kerasopt.training import clock as clock_module
from kerasopt.training.attaching import keep_attached, undo_later, undo_on_failure
from kerasopt.training.clock import Clock
from kerasopt.training.run import Run
from kerasopt.training.timed_callback import TimedCallback


class Recorder(TimedCallback):
    """Notes what is asked of its runs, which fail on demand."""

    def __init__(self, schedule=None, fail_in=None):
        super().__init__()
        self.schedule = schedule or Linear(0.0, 1.0)
        self.fail_in = fail_in
        self.updates, self.attached, self.detached = [], 0, 0

    def make_run(self):
        return RecordedRun(self)


class RecordedRun(Run):
    def __init__(self, recorder):
        self.recorder = recorder

    def attach(self, model):
        self.recorder.attached += 1
        self._fail_in("attach")

    def detach(self):
        self.recorder.detached += 1

    def check(self, horizon):
        self._fail_in("check")
        self.recorder.schedule.check(horizon)

    def _fail_in(self, method):
        if self.recorder.fail_in == method:
            raise ValueError(f"{method} fails")

    def next_due(self, update, horizon):
        return self.recorder.schedule.next_due(update, horizon)

    def on_update(self, update, horizon):
        # At the end of training, updates that were skipped count, too.
        assert Clock.of(self.model).update == update or update == self.horizon.total
        self.recorder.updates.append(update)


def compiled(**kwargs):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01, **kwargs), "mse")
    return model


def fit(model, *callbacks, batches=10, epochs=1, **kwargs):
    x = np.ones((2 * batches, 4), "float32")
    return model.fit(
        x, x[:, :1], batch_size=2, epochs=epochs, verbose=0, callbacks=list(callbacks), **kwargs
    )


@pytest.fixture
def readings(monkeypatch):
    """The updates at which the clock was read."""
    seen = []
    update = Clock.update.fget

    def read(self):
        seen.append(update(self))
        return seen[-1]

    monkeypatch.setattr(clock_module.Clock, "update", property(read))
    return seen


def test_acts_when_due_and_at_both_ends():
    callback = Recorder(Linear(0.0, 1.0, begin=3, end=17, frequency=5))
    fit(compiled(), callback, epochs=2)
    assert callback.updates == [0, 3, 8, 13, 17, 20]


def test_acts_in_every_update_of_a_short_training():
    callback = Recorder()
    fit(compiled(), callback, batches=3, epochs=2)
    assert callback.updates == [0, 1, 2, 3, 4, 5, 6, 6]


def test_skipped_batches_are_caught_up():
    model = compiled()
    model.compile("sgd", "mse", steps_per_execution=4)
    callback = Recorder(Linear(0.0, 1.0, begin=2, end=9, frequency=1))
    fit(model, callback)
    assert callback.updates == [0, 4, 8, 10, 10]


def test_gradient_accumulation():
    model = compiled(gradient_accumulation_steps=4)
    callback = Recorder(Linear(0.0, 1.0, begin=1, end=4, frequency=2))
    fit(model, callback, batches=6, epochs=3)
    assert callback.run.horizon.total == 4
    assert callback.updates == [0, 1, 3, 4, 4]


def test_a_continued_fit_goes_on_and_a_new_one_starts_again():
    model, callback = compiled(), Recorder(Linear(0.0, 1.0, begin=5, end=15, frequency=10))
    with pytest.warns(UserWarning, match="cannot finish"):
        fit(model, callback, epochs=1)
    fit(model, callback, epochs=2, initial_epoch=1)
    assert callback.updates == [0, 5, 10, 10, 15, 20]
    fit(model, callback, epochs=2)
    assert callback.updates[6:] == [0, 5, 15, 20]


def test_the_clock_is_read_only_when_something_may_be_due(readings):
    model = compiled()
    fit(model, Recorder(Linear(0.0, 1.0, begin=0, end=100, frequency=100)), batches=50, epochs=2)
    assert set(readings) == {0, 50, 100}
    readings.clear()
    fit(model, Recorder(Linear(0.0, 1.0, begin=0, end=0)), batches=50)
    assert set(readings) == {0, 50}


def test_skipped_updates_are_waited_for_and_the_end_comes_all_the_same():
    model = compiled()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01)), "mse")
    x = np.ones((20, 4), "float32")
    x[4:8] = np.inf
    callback = Recorder(Linear(0.0, 1.0, begin=5, end=5))
    model.fit(x, x[:, :1], batch_size=2, shuffle=False, verbose=0, callbacks=[callback])
    assert callback.updates == [0, 5, 10]


def test_a_training_that_is_stopped_has_not_come_to_its_end():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    callback = Recorder(Linear(0.0, 1.0, begin=15, end=20))
    fit(compiled(), callback, Stop(), epochs=2)
    assert callback.updates == [0, 10]


class Counting(keras.layers.Layer):
    """Counts how often it is traced in training."""

    count = 0

    def call(self, inputs, training=None):
        self.count += bool(training)
        return inputs


@pytest.mark.parametrize(
    "metrics",
    [{}, {"metrics": ["accuracy", "mae"], "weighted_metrics": ["auc"]}],
    ids=["none", "metrics"],
)
@pytest.mark.parametrize("kind", [keras.Sequential, keras.Model])
def test_the_first_step_is_traced_once(kind, metrics):
    inputs, counting = keras.Input((4,)), Counting()
    layers = [counting, keras.layers.Dense(1, "sigmoid")]
    if kind is keras.Model:
        model = keras.Model(inputs, {"y": layers[1](layers[0](inputs))})
    else:
        model = keras.Sequential([inputs, *layers])
    model.compile("adam", "mse", **metrics)
    fit(model, Recorder(), Recorder())
    assert counting.count == 1


def test_variables_of_a_step_have_the_names_of_keras():
    paths = []
    for callbacks in ([], [Recorder()]):
        keras.utils.clear_session()
        model = compiled()
        inner = keras.optimizers.Adam(name="inner")
        optimizer = keras.optimizers.LossScaleOptimizer(inner, name="outer")
        model.compile(optimizer, "mse", metrics=["accuracy"])
        history = fit(model, *callbacks)
        variables = [*model.optimizer.variables, *model.metrics_variables]
        paths.append([*(variable.path for variable in variables), *history.history])
    assert paths[0] == paths[1]


def test_which_metric_is_meant_follows_from_the_data():
    histories = []
    for callbacks in ([], [Recorder()]):
        keras.utils.set_random_seed(0)
        outputs = keras.layers.Dense(3, "softmax")(inputs := keras.Input((4,)))
        model = keras.Model(inputs, {"indices": outputs, "one_hot": outputs})
        losses = ["sparse_categorical_crossentropy", "categorical_crossentropy"]
        names = dict(zip(model.output, losses, strict=True))
        model.compile("adam", names, metrics={name: ["accuracy"] for name in names})
        x, labels = np.eye(12, 4, dtype="float32"), np.arange(12) % 3
        y = {"indices": labels[:, None], "one_hot": np.eye(3)[labels]}
        fit_options = {"shuffle": False, "verbose": 0, "callbacks": callbacks}
        histories.append(model.fit(x, y, **fit_options).history)
    assert histories[0] == histories[1]


def test_a_step_of_the_models_own_chooses_what_the_optimizer_trains():
    class Own(keras.Model):
        def train_step(self, data):
            import tensorflow as tf

            part = self.layers[-1].trainable_variables
            with tf.GradientTape() as tape:
                loss = keras.ops.mean(self(data[0]))
            self.optimizer.apply(tape.gradient(loss, part), part)
            return {"loss": loss}

    inputs = keras.Input((4,))
    model = Own(inputs, keras.layers.Dense(1)(keras.layers.Dense(3)(inputs)))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    fit(model, Recorder())
    assert len(model.optimizer.variables) == 2 + len(model.layers[-1].trainable_variables)


def test_an_optimizer_that_is_never_used_is_warned_of():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": keras.ops.mean(self(data[0]))}

    inner = compiled()
    model = Own(inner.inputs, inner.outputs, name="own")
    model.compile("sgd", "mse", run_eagerly=True)
    callback = Recorder()
    with pytest.warns(UserWarning, match="'own' was compiled with has made no update"):
        fit(model, callback, batches=3)
    assert callback.updates == [0, 0]


def test_a_failure_in_the_first_step_leaves_the_values_of_the_model():
    class Failing(keras.layers.Layer):
        fails = False

        def call(self, inputs):
            if self.fails:
                raise ValueError("the layer fails")
            return inputs

    failing = Failing()
    model = keras.Sequential([keras.Input((4,)), failing, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    failing.fails = True
    before = model.get_weights()
    with pytest.raises(ValueError, match="the layer fails"):
        fit(model, Recorder())
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    failing.fails = False
    model.make_train_function(force=True)
    assert np.isfinite(fit(model, Recorder()).history["loss"]).all()


@pytest.mark.parametrize("fail_in", ["attach", "check"])
def test_a_failure_before_training_leaves_the_model_as_it_was(fail_in):
    model = compiled()
    variables, weights = len(model.variables), model.get_weights()
    first, failing = Recorder(), Recorder(fail_in=fail_in)
    with pytest.raises(ValueError, match=f"{fail_in} fails"):
        fit(model, first, failing)
    assert (first.detached, failing.detached) == (1, 1)
    assert not Clock.exists(model) and len(model.variables) == variables
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    fit(model, first)
    assert first.detached == 1


def test_a_percentage_of_an_endless_dataset_raises_before_training():
    def endless():
        while True:
            yield np.ones((2, 4), "float32"), np.ones((2, 1), "float32")

    model, callback = compiled(), Recorder()
    with pytest.raises(ValueError, match="Pass `steps_per_epoch`"):
        model.fit(endless(), verbose=0, callbacks=[callback])
    assert callback.detached == 1 and not Clock.exists(model)
    model.fit(endless(), steps_per_epoch=3, verbose=0, callbacks=[callback])
    assert callback.updates == [0, 1, 2, 3, 3]


def test_a_training_too_short_warns_before_the_first_step():
    callback = Recorder(Linear(0.0, 1.0, begin=0, end=100))
    with pytest.warns(UserWarning, match="cannot finish in this training"):
        fit(compiled(), callback)


def test_a_clock_of_an_earlier_fit_stays_when_the_next_one_fails():
    model = compiled()
    fit(model, Recorder())
    with pytest.raises(ValueError):
        fit(model, Recorder(fail_in="attach"))
    assert Clock.exists(model)


def test_nothing_is_undone_once_training_has_begun():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    model, callback = compiled(), Recorder()
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, Stop())
    assert callback.detached == 0
    model.predict(np.ones((1, 4)), verbose=0)


def test_undo_is_in_reverse_order_and_forgotten_afterwards():
    class Undo:
        def __init__(self, name):
            self.name = name

        def run(self):
            done.append(self.name)

    model, done, objects = compiled(), [], [Undo("a"), Undo("b"), Undo("c")]
    undo_later(model, objects[0].run)
    undo_later(model, objects[1].run)
    with pytest.raises(RuntimeError), undo_on_failure(model):
        raise RuntimeError
    assert done == ["b", "a"]
    undo_later(model, objects[2].run)
    keep_attached(model)
    with pytest.raises(RuntimeError), undo_on_failure(model):
        raise RuntimeError
    assert done == ["b", "a"]


def test_torch_raises_one_clear_error(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    callback = Recorder()
    with pytest.raises(RuntimeError, match="TensorFlow and JAX .*Received: backend=torch"):
        callback.set_model(compiled())
    assert callback.attached == 0


def test_what_a_foreign_callback_stopped_is_not_of_the_next_fit():
    class Fails(keras.callbacks.Callback):
        def set_model(self, model):
            raise OSError

    model, first, second = compiled(), Recorder(), Recorder(fail_in="check")
    with pytest.raises(OSError):
        fit(model, first, Fails())
    with pytest.raises(ValueError, match="check fails"):
        fit(model, second)
    assert (first.detached, second.detached) == (0, 1)


def test_a_model_is_not_kept_alive_by_what_would_be_undone():
    callback = Recorder()
    model = compiled()
    callback.set_model(model)
    model = weakref.ref(model)
    del callback
    gc.collect()
    assert model() is None
