"""Checkpoints of the best compressed model."""

import keras

from kerasopt.keras_internals.callbacks import find_direction
from kerasopt.training.attaching import running
from kerasopt.training.stage import compression_stage


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """`keras.callbacks.ModelCheckpoint` that ranks models by the stage of compression first.

    With `save_best_only`, Keras' own callback keeps the model from before compression, since its
    metric is best (openvinotoolkit/nncf#38). Here a model of a higher stage (0 not begun, 1 in
    progress, 2 complete, for all callbacks that compress in this `fit` together) is always better,
    and a lower stage never overwrites it; within a stage the metric decides.

    Masks and ranges are saved with the weights. The callback may come before or after those that
    compress: their updates for a batch are applied before the model is ranked and saved. In a `fit`
    without any of them it does exactly what Keras' own callback does.

    Example:

    ```python
    pruning = ko.callbacks.Pruning(ko.schedules.PolynomialDecay(0.0, 0.8, end="50%"))
    checkpoint = ko.callbacks.ModelCheckpoint("best.keras", "val_accuracy", save_best_only=True)
    model.fit(x, y, validation_split=0.1, epochs=20, callbacks=[pruning, checkpoint])
    ```

    Monitor a validation metric. A training metric (`"loss"`) is a mean over the epoch, and the
    model was less compressed when the epoch began.

    `initial_value_threshold` applies at every stage: a model that does not beat it is never saved,
    however compressed.

    As in Keras, the best value and its stage are remembered from one `fit` to the next: use a new
    callback and another file for a training that compresses in a different way. In a new process
    that `BackupAndRestore` resumes, both are reset, so the first epoch overwrites the file unless
    the metric of the saved model is passed as `initial_value_threshold`.

    Args:
        *args: As in `keras.callbacks.ModelCheckpoint`, `filepath` first.
        **kwargs: As in `keras.callbacks.ModelCheckpoint`.
    """

    ranks_stage = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial_value_threshold = self.best
        self.stage = 0

    def _save_model(self, epoch, batch, logs):
        if batch is not None:
            # Callbacks after this one have not yet applied their updates for this batch.
            for callback in running(self.model):
                callback.on_train_batch_end(batch, logs)
        super()._save_model(epoch, batch, logs)

    def _should_save_model(self, epoch, batch, logs, filepath):
        if self.save_best_only:
            if self.monitor_op is None:
                find_direction(self)
            stage = compression_stage(self.model)
            if stage is not None and stage < self.stage:
                return False
            if stage is not None and stage > self.stage:
                self.stage, self.best = stage, self.initial_value_threshold
        return super()._should_save_model(epoch, batch, logs, filepath)
