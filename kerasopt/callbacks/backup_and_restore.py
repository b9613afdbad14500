"""Exact resume: a backup of everything that the train step and the data depend on."""

import os

import keras

from kerasopt.keras_internals.training import set_first_epoch
from kerasopt.training.attaching import attached, running, undo_on_failure
from kerasopt.training.backup_folder import BackupFolder, signature
from kerasopt.training.model_state import build_optimizer
from kerasopt.training.randomness import get_randomness, set_randomness
from kerasopt.training.timed_callback import TimedCallback


class BackupAndRestore(keras.callbacks.Callback):
    """Backs the training up at the beginning of every epoch, and resumes it exactly.

    A training that was killed and is started again repeats the interrupted epoch, and ends with the
    same weights, to the last bit, as an uninterrupted training. `keras.callbacks.BackupAndRestore`
    restores only weights, optimizer and epoch, so a model with dropout ends with other weights.
    This callback saves:

    - every variable of the model and of its optimizers: weights, the seeds of its random layers,
      the masks, ranges and the clock of kerasopt;
    - Keras' global seed generator, and the global states of Python's `random` (by which Keras
      shuffles the batches of a `PyDataset`) and of NumPy;
    - the epoch.

    Exact resume requires data that is determined by seed, epoch and index, as in
    `kerasopt.curriculum.CurriculumDataset`, or by one of these random states. On TensorFlow
    `fit(x, y)` with arrays shuffles inside `tf.data`, whose state cannot be saved: pass
    `shuffle=False` or a `PyDataset`. State that other callbacks keep in attributes (the patience of
    `EarlyStopping`) starts anew. The arithmetic must be deterministic as well: with several threads
    or a GPU, call `tf.config.experimental.enable_op_determinism()`.

    A backup is written to a temporary file and renamed when it is complete; until then the previous
    one stays valid. Backups are deleted when `fit` ends.

    ```python
    keras.utils.set_random_seed(0)
    model = make_model()  # built and compiled
    model.fit(data, epochs=20, callbacks=[ko.callbacks.BackupAndRestore("backup")])
    ```

    Args:
        backup_dir: Path of a local directory, used by this training only.
        double_checkpoint: Whether to keep the backup of the previous epoch as well, and to resume
            from it, with a warning, if the latest one is missing or damaged.
        delete_checkpoint: Whether to delete the backup at the end of `fit`. If not, the finished
            state is kept: running the same `fit` again trains no further epoch.

    Raises:
        ValueError: In `fit`, before training, if the backup is damaged or was written by another
            model or optimizer, or if the model is not built. The model is left unchanged.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        super().__init__()
        if not backup_dir:
            raise ValueError(
                f"`backup_dir` must be the path of a directory. Received: backup_dir={backup_dir!r}"
            )
        self.backup_dir = os.fspath(backup_dir)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._folder = BackupFolder(self.backup_dir, double_checkpoint)

    def on_train_begin(self, logs=None):
        self._epoch: int | None = None
        self._randomness: dict | None = None
        with undo_on_failure(self.model):
            self._restore()

    def on_epoch_begin(self, epoch: int, logs=None):
        if self._randomness is not None:
            # Only here, where it was saved: other callbacks may draw random numbers before it.
            set_randomness(self._randomness)
            self._randomness = None
        self._release_initial_epoch()
        self._epoch = epoch
        self._save(epoch)

    def on_train_end(self, logs=None):
        self._release_initial_epoch()
        if self.delete_checkpoint:
            self._folder.delete()
        elif self._epoch is not None:
            self._save(self._epoch + 1, finished=True)

    def _save(self, epoch: int, finished: bool = False):
        model = self.model
        variables = _variables(model)
        if finished:
            # Callbacks after this one have not yet removed theirs.
            variables = _without_passing(variables, running(model))
        header = {"epoch": epoch, "finished": finished, "random": get_randomness()}
        self._folder.write(variables, header)

    def _restore(self):
        model = self.model
        backup = self._folder.read()
        if not model.built:
            raise ValueError(
                "A backup is restored before the first batch: build the model before `fit()`, for "
                f"example with `keras.Input` or `model.build()`. Received: model={model.name}"
            )
        build_optimizer(model)  # so that the backup of epoch 0 is complete, too
        if backup is None:
            return
        header, values = backup
        variables = _variables(model)
        if header["finished"]:
            variables = _without_passing(variables, attached(model))
        if signature(variables) != header["signature"]:
            raise ValueError(
                "The backup was written by another model, optimizer or set of callbacks. Restore "
                "it with the same ones, or delete it to train from the beginning. "
                f"Received: backup_dir={self.backup_dir!r}"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value.view(variable.numpy().dtype))
        self._randomness = header["random"]
        set_first_epoch(model, header["epoch"])

    def _release_initial_epoch(self):
        # `fit` has read it by now; if it stayed, the next `fit` would skip epochs.
        set_first_epoch(self.model, None)


def _variables(model: keras.Model) -> list[keras.Variable]:
    """All variables that the train step uses, except metrics, which every epoch resets."""
    optimizers = [v for v in vars(model).values() if isinstance(v, keras.optimizers.Optimizer)]
    return [*model.variables, *(v for optimizer in optimizers for v in optimizer.variables)]


def _without_passing(
    variables: list[keras.Variable], callbacks: list[TimedCallback]
) -> list[keras.Variable]:
    """Leaves out what callbacks have added to the model for one training only."""
    passing = {id(v) for callback in callbacks for v in callback.run.attachments.passing}
    return [variable for variable in variables if id(variable) not in passing]
