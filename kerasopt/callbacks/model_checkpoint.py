"""Checkpoints of the best model, which is a compressed one."""

import keras

from kerasopt.keras_internals.callbacks import find_direction
from kerasopt.training.attaching import running
from kerasopt.training.stage import compression_stage


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """`keras.callbacks.ModelCheckpoint` that ranks models by the stage of compression first.

    With `save_best_only`, Keras' own callback keeps the model from before
    compression, since its metric is best (openvinotoolkit/nncf#38). Here a model
    of a higher stage (0 not begun, 1 on the way, 2 complete, for all callbacks
    that compress in this `fit` together) is always better, and one of a lower
    stage never overwrites it; within a stage the metric decides.

    Masks and ranges are saved with the weights. The callback may stand before or
    after those that compress: what they have to do at a batch is done before the
    model is ranked and saved. In a `fit` without any it does exactly what Keras'
    own does.

    Example:

    ```python
    pruning = ko.callbacks.Pruning(ko.schedules.PolynomialDecay(0.0, 0.8, end="50%"))
    checkpoint = ko.callbacks.ModelCheckpoint("best.keras", "val_accuracy", save_best_only=True)
    model.fit(x, y, validation_split=0.1, epochs=20, callbacks=[pruning, checkpoint])
    ```

    Monitor a value of the validation data. One of training (`"loss"`) is a mean
    over the epoch, at the beginning of which the model was less compressed.

    `initial_value_threshold` is what a model has to beat at every stage: what
    does not is never saved, however compressed.

    As with Keras' own, the best value is remembered from one `fit` to the next,
    and its stage too: give trainings that compress in different ways a callback
    and a file each. In a new process, resumed by `BackupAndRestore`, both begin
    anew, so the first epoch overwrites the file, unless the metric of the model
    in the file is passed as `initial_value_threshold`.

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
            # Those after this one have yet to do what is due at the end of this batch.
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
