import keras
import numpy as np
import pytest
from techniques import models
from techniques.refusals import refused
from techniques.training import Kill, Killed, loss

import kerasopt as ko

SCHEDULE = ko.schedules.Iterative(0.75, rounds=2, begin=3, end=6)


def make():
    keras.utils.set_random_seed(0)
    model = models.sequential()
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 9)
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(rate), loss(), run_eagerly=eager)
    return model


def fit(model, *callbacks):
    model.fit(models.Batches(model), epochs=3, verbose=0, callbacks=[*callbacks])
    return model


class Training(keras.callbacks.Callback):
    """Keeps what every batch began with."""

    def __init__(self):
        super().__init__()
        self.kernels, self.iterations, self.slots, self.live = [], [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        model = self.model
        self.kernels.append([v.numpy() for v in model.trainable_variables])
        self.iterations.append(int(model.optimizer.iterations.numpy()))
        self.slots.append([v.numpy() for v in model.optimizer.variables[2:]])
        masks = [mask.numpy() for _, mask in ko.sparsity.masked_variables(model)]
        self.live.append(sum(mask.mean() for mask in masks) / len(masks))


@pytest.mark.parametrize("rewind, moment", [("init", 0), ("epoch 1", 3), (2, 2)])
def test_after_each_round_weights_and_optimizer_are_those_of_the_moment(rewind, moment):
    seen = Training()
    fit(make(), ko.callbacks.Pruning(SCHEDULE, rewind=rewind), seen)
    np.testing.assert_allclose(seen.live, [1, 1, 1] + 3 * [0.5] + 3 * [0.25])
    assert seen.iterations == [0, 1, 2] + 2 * [moment, moment + 1, moment + 2]
    for round_ in (3, 6):
        for kind in (seen.kernels, seen.slots):
            for then, now in zip(kind[moment], kind[round_], strict=True):
                # Where pruned, values are zero, as in files.
                assert ((now == then) | (now == 0)).all() and (moment == 0 or now.any())
    assert any((a != b).any() for a, b in zip(seen.kernels[4], seen.kernels[7], strict=True))


def test_what_is_kept_for_rewinding_is_sparse_in_files_and_leaves_with_the_training(tmp_path):
    model = make()
    plain = len(model.variables)
    saving = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", save_weights_only=True
    )
    fit(model, ko.callbacks.Pruning(SCHEDULE, rewind="init"), saving)
    assert len(model.variables) == plain + 1 + 2  # the clock and the masks
    dense, sparse = (
        sum((vector[...] != 0).sum() for vector in floats(tmp_path / f"{n}.weights.h5"))
        for n in (1, 3)
    )
    assert sparse < 0.75 * dense


def floats(path):
    import h5py

    found = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.append(item[...]) if "rewind" in name and hasattr(item, "shape") else None
            )
        )
    return found


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path):
    straight = fit(make(), ko.callbacks.Pruning(SCHEDULE, rewind="epoch 1"))
    resumed = make()
    with pytest.raises(Killed):
        fit(
            resumed,
            ko.callbacks.Pruning(SCHEDULE, rewind="epoch 1"),
            ko.callbacks.BackupAndRestore(tmp_path / "backup"),
            Kill(),
        )
    fit(
        resumed,
        ko.callbacks.Pruning(SCHEDULE, rewind="epoch 1"),
        ko.callbacks.BackupAndRestore(tmp_path / "backup"),
    )
    for a, b in zip(straight.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)


def test_a_moment_after_the_first_round_raises_before_training():
    with refused(
        make_built := make(), r"later than the first round.*update 3.*Received: rewind='epoch 2'"
    ):
        fit(make_built, ko.callbacks.Pruning(SCHEDULE, rewind="epoch 2"))


@pytest.mark.parametrize("rewind", ["epoch", "start", -1, "epoch -1"])
def test_what_is_no_moment_raises(rewind):
    with pytest.raises(ValueError, match="Received: rewind="):
        ko.callbacks.Pruning(SCHEDULE, rewind=rewind)


def test_a_schedule_without_rounds_raises():
    with pytest.raises(ValueError, match="pass `kerasopt.schedules.Iterative` or `OneShot`"):
        ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5), rewind="init")
