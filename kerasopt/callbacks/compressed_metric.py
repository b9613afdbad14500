"""A metric to rank epochs by: the worst value while compression is not complete."""

import math

from kerasopt.training.copying import CopiedUnused
from kerasopt.training.direction import metric_direction
from kerasopt.training.stage import COMPLETE, compression_stage
from kerasopt.warning import warn


class CompressedMetric(CopiedUnused):
    """Logs a metric a second time, with the worst value while compression is not complete.

    Tuners and trackers choose the best epoch by a value in the logs, which is usually an epoch
    before compression. There `"compressed_val_accuracy"` is minus infinity (infinity if lower is
    better), so only compressed models are chosen. Put this callback before those that read the
    value. In a `fit` without compression the two values are equal.

    Example, with KerasTuner, which saves and scores the best epoch of each trial:

    ```python
    import keras_tuner

    class Model(keras_tuner.HyperModel):
        def build(self, hp):
            return make_model()  # compiled

        def fit(self, hp, model, *args, callbacks=(), **kwargs):
            sparsity = hp.Choice("sparsity", [0.5, 0.8, 0.9])
            pruning = ko.callbacks.Pruning(ko.schedules.OneShot(sparsity, begin="60%"))
            metric = ko.callbacks.CompressedMetric("val_accuracy")
            return model.fit(*args, callbacks=[pruning, metric, *callbacks], **kwargs)

    objective = keras_tuner.Objective("compressed_val_accuracy", "max")
    tuner = keras_tuner.RandomSearch(Model(), objective=objective)
    ```

    Args:
        monitor: String, the name of a value in the logs. The new one is `compressed_{monitor}`.
        mode: `"max"` if higher is better, `"min"` if lower is, or `"auto"`, as in Keras' callbacks.

    Raises:
        ValueError: At the end of the first epoch that has the value, if `mode` is `"auto"` and the
            direction of the metric is unknown.

    Warns:
        UserWarning: At the end of training, if compression was never complete.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto"):
        super().__init__()
        self.monitor = monitor
        self.mode = mode

    def on_train_begin(self, logs=None):
        self._seen: set[str] = set()
        self._complete = False

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        self._seen.update(logs)
        value = logs.get(self.monitor)
        if value is None:
            return
        model = self.model
        if compression_stage(model) in (None, COMPLETE):
            self._complete = True
        else:
            mode = metric_direction(model, self.monitor.removeprefix("val_"), self.mode)
            value = -math.inf if mode == "max" else math.inf
        logs[f"compressed_{self.monitor}"] = value

    def on_train_end(self, logs=None):
        if self._complete:
            return
        if self.monitor in self._seen:
            reason = (
                "compression was complete at the end of none: train longer, or let it end earlier"
            )
        else:
            reason = f"the logs have no such value, only {sorted(self._seen)}"
        warn(
            f"No epoch has a 'compressed_{self.monitor}' to rank by: {reason}. "
            f"Received: monitor='{self.monitor}'",
        )
