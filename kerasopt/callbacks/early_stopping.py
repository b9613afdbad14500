"""Early stopping that waits for compression."""

import math

import keras

from kerasopt.training.stage import COMPLETE, compression_stage


class EarlyStopping(keras.callbacks.EarlyStopping):
    """`keras.callbacks.EarlyStopping` that ranks epochs by the stage of compression first.

    While a model is being compressed its metrics fall, so Keras' own callback
    stops too early and restores weights from before compression. This one

    - never stops before compression is complete: the schedules of all callbacks
      that compress in this `fit` have reached their ends;
    - starts anew at each stage (0 not begun, 1 in progress, 2 complete): whatever the metric, an
      epoch of a higher stage is better than one of a lower stage. `patience` and `baseline` apply
      once compression is complete;
    - with `restore_best_weights`, restores the best epoch of the highest stage, including its masks
      and ranges, which are weights of the layers.

    It may come before or after the callbacks that compress. In a `fit` without any of them it does
    exactly what Keras' own callback does.

    Example:

    ```python
    pruning = ko.callbacks.Pruning(ko.schedules.PolynomialDecay(0.0, 0.8, end="50%"))
    stopping = ko.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True)
    model.fit(x, y, validation_split=0.1, epochs=20, callbacks=[pruning, stopping])
    ```

    Monitor a validation metric. A training metric (`"loss"`) is a mean over the epoch, and the
    model was less compressed when the epoch began.

    If training ends before compression is complete, the best epoch is chosen within the stage that
    was reached, where the metric favours the least compressed model. Callbacks after this one still
    move the restored masks to the final values of their schedules.

    As in Keras, its state (the best value and its weights, the stage, the epochs waited) is reset
    in every `fit`, also in one that `BackupAndRestore` resumes: then patience counts from the
    resumed epoch on, and weights of earlier epochs are not restored.

    Args:
        *args: As in `keras.callbacks.EarlyStopping`, `monitor` first.
        **kwargs: As in `keras.callbacks.EarlyStopping`.
    """

    ranks_stage = True

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.stage = 0

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        stage = compression_stage(model)
        if stage is None:
            stage = COMPLETE
        if stage < self.stage:
            return
        if stage > self.stage:
            self.stage = stage
            self.best, self.best_weights, self.wait = None, None, 0
        if stage < COMPLETE:
            self.wait = -math.inf  # smaller than any patience
        super().on_epoch_end(epoch, logs)
        self._variables = model.weights

    def on_train_end(self, logs=None):
        if self.best_weights is not None:
            # Other callbacks may have removed their temporary variables from the model by now.
            present = {id(variable) for variable in self.model.weights}
            self.best_weights = [
                value
                for variable, value in zip(self._variables, self.best_weights, strict=True)
                if id(variable) in present
            ]
        super().on_train_end(logs)
