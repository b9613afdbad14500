import random

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.callbacks.backup_and_restore import BackupAndRestore
from kerasopt.training import Run
from kerasopt.training.timed_callback import TimedCallback

EPOCHS, BATCHES = 4, 5
EAGERLY = keras.config.backend() == "tensorflow"  # where it is the faster way for a few steps


class Data(keras.utils.PyDataset):
    """Batches that follow from their index."""

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        generator = np.random.default_rng(index)
        return generator.normal(size=(8, 6)).astype("float32"), generator.normal(size=(8, 1))


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    def __init__(self, epoch, batch):
        super().__init__()
        self.moment, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.moment:
            raise Killed


class Draws(keras.callbacks.Callback):
    """Draws from every global random state, as users' callbacks do."""

    def __init__(self):
        super().__init__()
        self.numbers = {}

    def on_train_begin(self, logs=None):
        self.draw()

    def on_epoch_begin(self, epoch, logs=None):
        self.numbers[epoch] = self.draw()

    def draw(self):
        keras_number = float(keras.random.uniform(()))
        return keras_number, random.random(), float(np.random.normal())


class Moves(TimedCallback):
    """Notes when its state would change: every third update."""

    def __init__(self):
        super().__init__()
        self.updates = []

    def make_run(self):
        return NotedRun(self.updates)


class NotedRun(Run):
    def __init__(self, updates):
        self.updates = updates

    def next_due(self, update, horizon):
        return (update // 3 + 1) * 3

    def on_update(self, update, horizon):
        self.updates.append(update)


def build(dtype=None):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu", dtype=dtype),
            keras.layers.Dropout(0.5),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, dtype=dtype),
        ]
    )


def compiled(seed=0, optimizer="adam", run_eagerly=EAGERLY, **kwargs):
    keras.utils.set_random_seed(seed)
    model = build(**kwargs)
    model.compile(keras.optimizers.get(optimizer), "mse", run_eagerly=run_eagerly)
    return model


def fit(model, *callbacks, **kwargs):
    history = model.fit(Data(), epochs=EPOCHS, verbose=0, callbacks=list(callbacks), **kwargs)
    return history.history["loss"]


def state(model):
    return [v.numpy() for v in [*model.variables, *model.optimizer.variables]]


def assert_equal(model, other):
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def interrupt(model, directory, epoch, batch, *callbacks, **kwargs):
    with pytest.raises(Killed):
        fit(model, BackupAndRestore(directory, **kwargs), *callbacks, Kill(epoch, batch))


@pytest.fixture(scope="module")
def uninterrupted():
    """Losses and model of the training that nothing has happened to."""
    model = compiled()
    return fit(model), model


@pytest.fixture(scope="module")
def uninterrupted_in_graph():
    model = compiled(run_eagerly=False)
    return fit(model), model


@pytest.mark.parametrize("epoch, batch", [(0, 2), (1, 0), (3, 4)])
def test_a_resumed_training_ends_as_an_uninterrupted_one(
    tmp_path, uninterrupted_in_graph, epoch, batch
):
    losses, reference = uninterrupted_in_graph
    interrupt(compiled(run_eagerly=False), tmp_path / "backup", epoch, batch)
    resumed = compiled(seed=1, run_eagerly=False)  # with weights and seeds of its own
    assert fit(resumed, BackupAndRestore(tmp_path / "backup")) == losses[epoch:]
    assert_equal(resumed, reference)
    assert list(tmp_path.iterdir()) == []


def test_the_callback_changes_nothing(tmp_path, uninterrupted):
    losses, plain = uninterrupted
    model = compiled()
    assert fit(model, BackupAndRestore(tmp_path / "backup")) == losses
    assert_equal(plain, model)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: keras.optimizers.AdamW(use_ema=True),
        lambda: keras.optimizers.Adam(gradient_accumulation_steps=3),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
    ],
    ids=["EMA", "gradient accumulation", "loss scale"],
)
def test_every_optimizer(tmp_path, make_optimizer):
    reference = compiled(optimizer=make_optimizer())
    fit(reference)
    interrupt(compiled(optimizer=make_optimizer()), tmp_path, 2, 1)
    resumed = compiled(seed=1, optimizer=make_optimizer())
    fit(resumed, BackupAndRestore(tmp_path))
    assert_equal(reference, resumed)


def test_a_low_precision_model(tmp_path):
    reference = compiled(dtype="bfloat16")
    fit(reference)
    interrupt(compiled(dtype="bfloat16"), tmp_path, 2, 1)
    resumed = compiled(seed=1, dtype="bfloat16")
    fit(resumed, BackupAndRestore(tmp_path))
    assert_equal(reference, resumed)


class Adversaries(keras.Model):
    """Two sub-models with an optimizer each, as in adversarial training."""

    def __init__(self):
        super().__init__()
        self.first, self.second = build(), build()

    def compile(self, **kwargs):
        super().compile(**kwargs)
        self.other = keras.optimizers.Adam()
        self.other.build(self.second.trainable_variables)

    def call(self, x, training=False):
        return self.first(x, training=training)


def test_every_optimizer_of_a_model(tmp_path):
    def make(seed):
        keras.utils.set_random_seed(seed)
        model = Adversaries()
        model(np.zeros((1, 6), "float32"))
        model.compile(optimizer="adam", loss="mse", run_eagerly=EAGERLY)
        return model

    first, resumed = make(0), make(1)
    for variable in first.other.variables[2:]:
        variable.assign(np.full(variable.shape, 0.25))
    interrupt(first, tmp_path, 1, 0)
    fit(resumed, BackupAndRestore(tmp_path))
    for variable in resumed.other.variables[2:]:
        np.testing.assert_array_equal(variable.numpy(), 0.25)


def test_global_random_states_are_those_of_the_uninterrupted_run(tmp_path):
    reference, draws = compiled(), Draws()
    fit(reference, BackupAndRestore(tmp_path / "reference"), draws)
    interrupt(compiled(), tmp_path / "backup", 2, 1, Draws())
    keras.utils.set_random_seed(9)
    resumed_draws = Draws()
    fit(compiled(seed=1), BackupAndRestore(tmp_path / "backup"), resumed_draws)
    assert resumed_draws.numbers == {epoch: draws.numbers[epoch] for epoch in (2, 3)}


@pytest.mark.parametrize("order", [1, -1])
def test_the_clock_goes_on(tmp_path, order):
    uninterrupted, before, after = Moves(), Moves(), Moves()
    fit(compiled(), uninterrupted)
    with pytest.raises(Killed):
        fit(compiled(), *[BackupAndRestore(tmp_path), before][::order], Kill(2, 3))
    resumed = compiled(seed=1)
    fit(resumed, *[BackupAndRestore(tmp_path), after][::order])
    assert uninterrupted.updates == [0, 3, 6, 9, 12, 15, 18, 20]
    assert before.updates == [0, 3, 6, 9, 12]
    assert after.updates == [10, 12, 15, 18, 20]
    assert int(resumed.optimizer.iterations) == 20


def test_the_next_fit_begins_at_its_own_first_epoch(tmp_path):
    interrupt(compiled(), tmp_path, 2, 1)
    model = compiled()
    assert len(fit(model, BackupAndRestore(tmp_path))) == 2
    assert len(fit(model)) == EPOCHS


def test_a_user_given_first_epoch_is_kept_without_a_backup(tmp_path):
    assert len(fit(compiled(), BackupAndRestore(tmp_path), initial_epoch=3)) == 1


def test_a_finished_backup_that_is_kept_trains_no_further(tmp_path):
    model = compiled()
    fit(model, BackupAndRestore(tmp_path, delete_checkpoint=False))
    again = compiled(seed=1)
    again.fit(
        Data(),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[BackupAndRestore(tmp_path, delete_checkpoint=False)],
    )
    assert_equal(model, again)
    assert len(fit(again)) == EPOCHS


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "arguments",
    [
        {"criterion": "saliency", "regrowth": ko.sparsity.RigL(frequency=5)},
        {"criterion": "wanda"},
        {"rewind": "init"},
    ],
    ids=["statistics", "norms", "copies"],
)
def test_a_finished_backup_holds_nothing_that_was_there_for_the_training(
    arguments, order, tmp_path
):
    def train(model):
        pruning = ko.callbacks.Pruning(ko.schedules.OneShot(0.5, begin=1), **arguments)
        backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
        callbacks = [pruning, backup][::order]
        return model.fit(Data(), epochs=EPOCHS, verbose=0, callbacks=callbacks).epoch

    model, again = compiled(), compiled(seed=1)
    assert len(train(model)) == EPOCHS and not train(again)
    assert_equal(model, again)


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[: len(data) // 2]
    elif how == "empty":
        data = b""
    else:
        data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped bit"])
def test_a_damaged_backup_raises_and_leaves_model_and_file_alone(tmp_path, how):
    interrupt(compiled(), tmp_path, 2, 1, Moves())
    damage(tmp_path / "latest.npz", how)
    content = (tmp_path / "latest.npz").read_bytes()
    model = compiled(seed=1)
    before = [v.numpy() for v in model.variables]
    with pytest.raises(ValueError, match="The backup is damaged .*Received: backup_dir="):
        fit(model, Moves(), BackupAndRestore(tmp_path))
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    assert (tmp_path / "latest.npz").read_bytes() == content


def test_double_checkpoint_falls_back_to_the_epoch_before(tmp_path, uninterrupted):
    interrupt(compiled(), tmp_path, 2, 1, double_checkpoint=True)
    damage(tmp_path / "latest.npz", "truncated")
    resumed = compiled(seed=1)
    with pytest.warns(UserWarning, match="resumes from the previous one, at epoch 1"):
        losses = fit(resumed, BackupAndRestore(tmp_path, double_checkpoint=True))
    assert len(losses) == EPOCHS - 1
    assert_equal(uninterrupted[1], resumed)


@pytest.mark.filterwarnings("ignore:.*resumes from the previous one")
def test_no_flipped_bit_keeps_from_resuming(tmp_path):
    """In the arrays, their headers, or the directory of the archive, which is at its end."""
    interrupt(compiled(), tmp_path, 2, 1, double_checkpoint=True)
    latest, previous = tmp_path / "latest.npz", tmp_path / "previous.npz"
    whole = latest.read_bytes()
    directory = whole.index(b"PK\x01\x02")
    backup = BackupAndRestore(tmp_path, double_checkpoint=True)
    model = compiled(seed=1)
    backup.set_model(model)
    places = random.Random(0)
    for begin, count in ((0, 50), (directory, 150), (len(whole) - 22, 50)):
        for _ in range(count):
            damaged = bytearray(whole)
            damaged[places.randrange(begin, len(whole))] ^= 1 << places.randrange(8)
            latest.write_bytes(damaged)
            backup.on_train_begin()
            # What is no part of a backup (dates, file attributes) may be damaged.
            assert model._initial_epoch in (1, 2)
    previous.write_bytes(previous.read_bytes()[:-30])
    latest.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="The backup is damaged .*Received: backup_dir="):
        backup.on_train_begin()


def test_a_backup_being_written_is_not_a_backup(tmp_path, uninterrupted):
    """Killed while writing, between the renames, and before anything was whole."""
    interrupt(compiled(), tmp_path, 2, 1, double_checkpoint=True)
    (tmp_path / "latest.npz").rename(tmp_path / "unfinished.npz")
    resumed = compiled(seed=1)
    with pytest.warns(UserWarning, match="missing.*resumes from the previous one, at epoch 1"):
        losses = fit(resumed, BackupAndRestore(tmp_path, double_checkpoint=True))
    assert len(losses) == EPOCHS - 1
    assert_equal(uninterrupted[1], resumed)
    (tmp_path / "unfinished.npz").parent.mkdir(exist_ok=True)
    (tmp_path / "unfinished.npz").write_bytes(b"PK")
    assert len(fit(compiled(), BackupAndRestore(tmp_path))) == EPOCHS


def test_the_backup_of_another_model(tmp_path):
    interrupt(compiled(), tmp_path, 2, 1)
    for model in (compiled(optimizer="sgd"), compiled(dtype="bfloat16")):
        before = state(model)
        with pytest.raises(ValueError, match="written by another model.*Received: backup_dir="):
            fit(model, BackupAndRestore(tmp_path))
        for a, b in zip(before, state(model), strict=False):
            np.testing.assert_array_equal(a, b)


def test_an_unbuilt_model(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callback = BackupAndRestore(tmp_path)
    callback.set_model(model)
    with pytest.raises(ValueError, match="build the model before"):
        callback.on_train_begin()


def test_other_files_in_the_directory_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    fit(compiled(), BackupAndRestore(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_backup_dir_is_needed():
    with pytest.raises(ValueError, match="Received: backup_dir=''"):
        BackupAndRestore("")
