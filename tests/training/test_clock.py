import keras
import numpy as np
import pytest
from processes import run_with_keras

from kerasopt.schedules.times import Horizon
from kerasopt.training.clock import Clock, horizon


class Recorder(keras.callbacks.Callback):
    """Runs the clock as `TimedCallback` does, and notes it after every batch and epoch."""

    def set_model(self, model):
        super().set_model(model)
        Clock.of(model)
        self.started, self.updates, self.epoch_starts = False, [], []

    def on_epoch_begin(self, epoch, logs=None):
        clock = Clock.of(self.model)
        if not self.started:
            self.started = True
            clock.start(epoch, horizon(self.params, self.model))
        clock.mark()
        self.epoch_starts.append(clock.update)

    def on_train_batch_end(self, batch, logs=None):
        self.updates.append(Clock.of(self.model).update)

    def on_train_end(self, logs=None):
        Clock.of(self.model).mark()


def build(kind="functional"):
    layers = [keras.layers.Dense(3, activation="relu"), keras.layers.Dense(1)]
    if kind == "sequential":
        return keras.Sequential([keras.Input((4,)), *layers])
    if kind == "functional":
        inputs = keras.Input((4,))
        return keras.Model(inputs, layers[1](layers[0](inputs)))
    model = Subclassed()
    model(np.zeros((1, 4), "float32"))
    return model


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = keras.layers.Dense(3, activation="relu")
        self.second = keras.layers.Dense(1)

    def call(self, x):
        return self.second(self.first(x))


def compiled(kind="functional", **kwargs):
    model = build(kind)
    model.compile(keras.optimizers.SGD(0.01, **kwargs), "mse")
    return model


def fit(model, epochs=1, batches=4, batch_size=2, **kwargs):
    x = np.ones((batches * batch_size, 4), "float32")
    recorder = Recorder()
    model.fit(
        x,
        x[:, :1],
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
        callbacks=[recorder],
        **kwargs,
    )
    return recorder


def test_counts_updates():
    assert fit(compiled(), epochs=2).updates == [1, 2, 3, 4, 5, 6, 7, 8]


def test_sixteen_batches_that_accumulate_four_are_four_updates():
    model = compiled(gradient_accumulation_steps=4)
    recorder = fit(model, batches=16)
    assert recorder.updates[3::4] == [1, 2, 3, 4]
    assert horizon(recorder.params, model) == Horizon(4, 4.0)


def test_gradients_accumulate_over_the_border_of_epochs():
    model = compiled(gradient_accumulation_steps=4)
    recorder = fit(model, epochs=2, batches=6)
    assert recorder.updates[-1] == 3
    assert horizon(recorder.params, model) == Horizon(3, 1.5)


def test_steps_per_execution():
    model = build()
    model.compile("sgd", "mse", steps_per_execution=3)
    assert fit(model, batches=7).updates == [3, 6, 7]


def test_skipped_steps_of_a_loss_scale_optimizer_do_not_count():
    model = build()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01)), "mse")
    x = np.ones((8, 4), "float32")
    x[2:8] = np.inf
    recorder = Recorder()
    model.fit(x, x[:, :1], batch_size=2, shuffle=False, verbose=0, callbacks=[recorder])
    assert recorder.updates == [1, 1, 1, 1]
    assert fit(model, epochs=2, initial_epoch=1).updates == [2, 3, 4, 5]


def test_a_new_fit_starts_at_zero():
    model = compiled()
    fit(model, epochs=3)
    assert fit(model).updates == [1, 2, 3, 4]


def test_a_continued_fit_goes_on():
    model = compiled()
    fit(model)
    fit(model, epochs=2)
    assert fit(model, epochs=3, initial_epoch=2).updates == [9, 10, 11, 12]


def test_a_second_compile_is_found_out():
    model = compiled()
    fit(model, epochs=2)
    model.compile("adam", "mse")
    assert fit(model, epochs=3, initial_epoch=2).updates == [9, 10, 11, 12]
    model.compile("adam", "mse")
    assert fit(model, epochs=4, initial_epoch=3).updates == [13, 14, 15, 16]
    assert fit(model, epochs=1).updates == [1, 2, 3, 4]


def test_a_first_fit_may_begin_later():
    assert fit(compiled(), epochs=3, initial_epoch=2).updates == [9, 10, 11, 12]


def test_epochs_trained_without_the_clock_since():
    model = compiled()
    fit(model, epochs=2)
    x = np.ones((8, 4), "float32")
    model.fit(x, x[:, :1], epochs=4, verbose=0)
    assert fit(model, epochs=2, initial_epoch=1).updates == [5, 6, 7, 8]


@pytest.mark.parametrize("kind", ["functional", "sequential", "subclassed"])
def test_is_in_the_weights_file_and_nowhere_else(kind, tmp_path):
    plain, model = compiled(kind), compiled(kind)
    fit(model)
    fit(model)
    assert len(model.layers) == len(plain.layers) == 3 - (kind != "functional")
    assert len(model.get_weights()) == 4
    assert model.count_params() == plain.count_params() == 19
    assert [w.shape for w in model.weights] == [w.shape for w in plain.weights]

    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    plain.load_weights(path)
    assert not Clock.exists(plain)
    other = compiled(kind)
    Clock.of(other)
    other.load_weights(path)
    assert fit(other, epochs=2, initial_epoch=1).updates == [5, 6, 7, 8]
    assert int(other.optimizer.iterations) == 12

    plain.save_weights(tmp_path / "plain.weights.h5")
    other.load_weights(tmp_path / "plain.weights.h5")
    assert fit(other, epochs=3, initial_epoch=2).updates == [9, 10, 11, 12]


def test_saved_model_loads(tmp_path):
    model = compiled()
    fit(model)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert not Clock.exists(loaded)
    assert fit(loaded, epochs=2, initial_epoch=1).updates == [5, 6, 7, 8]


def test_remove_leaves_the_model_as_it_was():
    model = compiled()
    before = len(model.variables)
    Clock.of(model)
    assert len(model.variables) == before + 1
    Clock.remove(model)
    assert len(model.variables) == before and not Clock.exists(model)
    Clock.remove(model)


@pytest.mark.parametrize("steps, wrapped", [(1, False), (4, False), (1, True)])
def test_held_while_the_optimizer_goes_back(steps, wrapped):
    inner = keras.optimizers.SGD(0.01, gradient_accumulation_steps=steps if steps > 1 else None)
    model = build()
    model.compile(keras.optimizers.LossScaleOptimizer(inner) if wrapped else inner, "mse")
    fit(model)  # iterations do not begin at zero

    class Rewind(Recorder):
        def on_epoch_end(self, epoch, logs=None):
            clock = Clock.of(self.model)
            if epoch == 1:
                update = clock.update
                with clock.held():
                    inner._iterations.assign(5)
                assert clock.update == update

    recorder = Rewind()
    x = np.ones((16, 4), "float32")
    model.fit(x, x[:, :1], batch_size=1, epochs=3, verbose=0, callbacks=[recorder])
    assert recorder.epoch_starts == [0, 16 // steps, 32 // steps]
    assert recorder.updates[-1] == (32 + 16) // steps
    assert int(inner._iterations) == 5 + 16
    # A training that goes on keeps the time, although the iterations are fewer than updates done.
    recorder = fit(model, batches=16, batch_size=1, epochs=4, initial_epoch=3)
    assert recorder.epoch_starts == [48 // steps]


def test_horizon_of_an_endless_dataset_is_unknown():
    assert horizon({"epochs": 2, "steps": None}, compiled()) == Horizon()
    assert horizon(None, compiled()) == Horizon()


def test_without_an_optimizer():
    model = build()
    model.compile(optimizer=None, loss="mse")
    with pytest.raises(ValueError, match="compile the model with an optimizer"):
        horizon({"epochs": 1, "steps": 1}, model)


MIRRORED = """
import keras, numpy as np, tensorflow as tf
from kerasopt.callbacks import TimedCallback
from kerasopt.training import Run

class Recorder(TimedCallback):
    def make_run(self):
        return RecordedRun()

class RecordedRun(Run):
    def next_due(self, update, horizon):
        return update + 3

    def on_update(self, update, horizon):
        updates.append(update)

updates = []
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
x = np.ones((16, 4), "float32")
for epoch in range(2):
    model.fit(x, x[:, :1], batch_size=4, epochs=epoch + 1, initial_epoch=epoch, verbose=0,
              callbacks=[Recorder()])
assert updates == [0, 3, 4, 4, 7, 8], updates
"""


def test_mirrored_strategy_in_its_own_process():
    run_with_keras(MIRRORED)
