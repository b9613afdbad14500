import keras
import numpy as np
import pytest
from processes import run_with_keras

import kerasopt as ko
from kerasopt.sparsity import Mask, masked_variables
from kerasopt.training.clock import Clock
from kerasopt.training.snapshot import Snapshot

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


def adam(**kwargs):
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    return keras.optimizers.Adam(decay, **kwargs)


OPTIMIZERS = {
    "schedule": adam,
    "accumulated": lambda: adam(gradient_accumulation_steps=3),
    "loss_scale": lambda: keras.optimizers.LossScaleOptimizer(adam()),
    "ema": lambda: adam(use_ema=True),
}


def make(optimizer="schedule"):
    keras.utils.set_random_seed(0)
    layers = [keras.Input((4,)), keras.layers.Dense(6), keras.layers.BatchNormalization()]
    model = keras.Sequential([*layers, keras.layers.ReLU(), keras.layers.Dense(1)])
    model.compile(OPTIMIZERS[optimizer](), "mse")
    return model


def fit(model, *callbacks, epochs=1):
    model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


def mask(model, kept=0.5):
    """Puts masks on the kernels, which hide a part of each."""
    for index in (0, -1):
        layer, link = model.layers[index], Mask()
        ko.parametrize(layer, "kernel", link)
        move(link, kept)


def move(link, kept):
    link.mask.assign(np.linspace(0, 1, link.mask.shape[0])[:, None] <= kept + 0 * link.mask.numpy())


def values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def assert_equal(ours, theirs):
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


# On JAX Keras cannot fit a model twice with an optimizer that keeps averages: see the next test.
@pytest.mark.parametrize("optimizer", ["schedule", "accumulated", "loss_scale"])
def test_a_training_repeats_itself_exactly(optimizer):
    model = make(optimizer)
    fit(model)
    snapshot = Snapshot.of(model, "it")
    snapshot.take()
    ends = []
    for _ in range(2):
        fit(model, epochs=2)
        ends.append(values([*model.weights, *model.optimizer.variables]))
        snapshot.restore()
    assert_equal(*ends)
    assert int(getattr(model.optimizer, "inner_optimizer", model.optimizer)._iterations) == 4


class Rewind(keras.callbacks.Callback):
    """Takes a snapshot when training begins, and goes back after the second epoch."""

    def set_model(self, model):
        super().set_model(model)
        Clock.of(model)
        self.snapshot = Snapshot.of(model, "it")
        self.seen, self.updates = [], []

    def on_epoch_begin(self, epoch, logs=None):
        model = self.model
        if epoch == 0:
            self.snapshot.take()
            Clock.of(model).start(epoch, ko.schedules.schedule.UNKNOWN)
        if epoch == 2:
            with Clock.of(model).held():
                self.snapshot.restore()
        self.seen.append(values([*model.weights, *model.optimizer.variables]))
        self.updates.append(Clock.of(model).update)


@pytest.mark.parametrize("optimizer", ["schedule", "loss_scale", "ema"])
def test_goes_back_within_fit_and_time_goes_on(optimizer):
    rewind = Rewind()
    fit(make(optimizer), rewind, epochs=4)
    first, second, third, fourth = rewind.seen
    assert_equal(first, third)
    assert_equal(second, fourth)
    assert any((a != b).any() for a, b in zip(first, second, strict=True))
    assert rewind.updates == [0, 4, 8, 12]


def test_masks_stay_unless_they_are_included():
    model = make()
    mask(model, kept=1.0)
    masks = [variable for _, variable in masked_variables(model)]
    weights, whole = Snapshot.of(model, "weights"), Snapshot.of(model, "whole", include=masks)
    weights.take()
    whole.take()
    for layer in (model.layers[0], model.layers[-1]):
        move(layer.parametrizations["kernel"][0], 0.5)
    moved = values(masks)
    weights.restore()
    assert_equal(values(masks), moved)
    whole.restore()
    assert all(variable.numpy().all() for variable in masks) and not all(m.all() for m in moved)


def test_ranges_and_seeds_stay():
    dropout = keras.layers.Dropout(0.5)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), dropout])
    model.compile("sgd", "mse")
    quantizer = ko.quantization.ActivationQuantizer()
    ko.parametrize(model.layers[0], "output", quantizer)
    snapshot = Snapshot.of(model, "it")
    snapshot.take()
    variables = [*quantizer.variables, dropout.seed_generator.state]
    for variable in variables:
        variable.assign(
            keras.ops.logical_not(variable) if variable.dtype == "bool" else variable + 1
        )
    before = values(variables)
    snapshot.restore()
    assert_equal(values(variables), before)


def test_what_a_mask_hides_is_zero_in_files_and_afterwards(tmp_path):
    model = make()
    mask(model)
    fit(model)
    snapshot = Snapshot.of(model, "it")
    snapshot.hide(masked_variables(model))  # nothing is there yet
    snapshot.take()
    weights = values(model.weights)
    snapshot.hide(masked_variables(model))
    fit(model)
    model.save_weights(tmp_path / "it.weights.h5")
    other = make()
    mask(other)
    taken = Snapshot.of(other, "it")
    other.load_weights(tmp_path / "it.weights.h5")
    taken.restore()
    hidden = {id(weight): ~mask.numpy() for weight, mask in masked_variables(other)}
    assert len(hidden) == 2
    for variable, value in zip(other.weights, weights, strict=True):
        if id(variable) in hidden:
            assert (value[hidden[id(variable)]] != 0).all()  # as in the model, under its mask
            value[hidden[id(variable)]] = 0
        if "mask" not in variable.name:
            np.testing.assert_array_equal(variable.numpy(), value)


def test_slots_are_hidden_as_well():
    model = make()
    fit(model)
    snapshot = Snapshot.of(model, "it")
    snapshot.take()
    slot = model.optimizer._momentums[0]
    kept = keras.Variable(np.arange(24).reshape(4, 6) % 2 == 0, dtype="bool")
    snapshot.hide([(slot, kept), (keras.Variable(np.ones((4, 6))), kept)])
    before = slot.numpy()
    snapshot.restore()
    np.testing.assert_array_equal(slot.numpy(), np.where(kept.numpy(), before, 0))


def test_integers_stay_exact():
    model = make()
    snapshot = Snapshot.of(model, "it")
    model.optimizer.iterations.assign(2**24 + 1)
    snapshot.take()
    model.optimizer.iterations.assign(0)
    snapshot.restore()
    assert int(model.optimizer.iterations) == 2**24 + 1


def test_a_statistic_that_the_optimizer_gets_later_stays():
    model = make()
    snapshot = Snapshot.of(model, "it")
    statistic = model.optimizer.add_variable((3,), name="statistic")
    snapshot.take()
    statistic.assign([1.0, 2.0, 3.0])
    snapshot.restore()
    np.testing.assert_array_equal(statistic.numpy(), [1.0, 2.0, 3.0])
    snapshot.take()


def test_a_snapshot_of_another_optimizer_is_not_taken(tmp_path):
    model = make()
    Snapshot.of(model, "it").take()
    assert Snapshot.of(model, "it").is_taken
    model.save_weights(tmp_path / "it.weights.h5")
    model.compile("sgd", "mse")
    snapshot = Snapshot.of(model, "it")
    assert not snapshot.is_taken
    model.load_weights(tmp_path / "it.weights.h5")
    assert not snapshot.is_taken
    with pytest.raises(ValueError, match="snapshot is empty: call `take`.*Received: model="):
        snapshot.restore()


def test_a_file_without_one_leaves_it_untaken(tmp_path):
    model = make()
    model.save_weights(tmp_path / "it.weights.h5")
    snapshot = Snapshot.of(model, "it")
    snapshot.take()
    model.load_weights(tmp_path / "it.weights.h5")
    assert not snapshot.is_taken


def test_remove_leaves_the_model_as_it_was():
    model = make()
    before = len(model.variables)
    snapshot = Snapshot.of(model, "it")
    assert len(model.variables) > before and len(model.weights) == before
    snapshot.remove()
    assert len(model.variables) == before
    assert vars(model).keys() == vars(make()).keys()


def test_a_model_that_is_not_ready():
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    for model in (unbuilt, plain):
        with pytest.raises(ValueError, match="build and compile the model first. Received: model="):
            Snapshot.of(model, "it")


MIRRORED = """
import keras, numpy as np, tensorflow as tf
from kerasopt.training.snapshot import Snapshot

cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    layers = [keras.layers.Dense(3), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.Adam(0.1, use_ema=True), "mse")
snapshot = Snapshot.of(model, "it")
snapshot.take()
x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
replicas = lambda: [
    [part.numpy() for part in variable.value.values]
    for variable in [*model.weights, *model.optimizer.variables]
]
ends = []
for _ in range(2):
    before = replicas()
    model.fit(x, x[:, :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
    ends.append(replicas())
    snapshot.restore()
    for old, restored in zip(before, replicas(), strict=True):
        assert all(np.array_equal(old[0], part) for part in restored), (old, restored)
for first, second in zip(*ends, strict=True):
    np.testing.assert_array_equal(first, second)
"""


def test_mirrored_strategy_in_its_own_process():
    run_with_keras(MIRRORED)
