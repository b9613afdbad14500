"""Curriculum learning in `fit`."""

import keras

from kerasopt import curriculum, schedules
from kerasopt.axis import documents
from kerasopt.curriculum.pacings import PACINGS
from kerasopt.schedules.times import Time
from kerasopt.training.attaching import require_backend, undo_on_failure
from kerasopt.training.clock import accumulation_steps, horizon
from kerasopt.training.fit_scope import FitMember
from kerasopt.training.training_values import TrainingValues


@documents(pacings=PACINGS)
class Curriculum(FitMember):
    """Increases the share of a `CurriculumDataset` that is in use during `fit`.

    The dataset computes the share for each batch itself, from the epoch and the index of the batch.
    The callback tells it when the share begins to grow, when all samples are in use, and the
    current epoch, also after a resume or with `initial_epoch`. The share at the end of each epoch
    is logged as `"curriculum"`.

    ```python
    scores = ko.curriculum.loss_scores(teacher, x, y)
    data = ko.curriculum.CurriculumDataset(x, y, scores, batch_size=32)
    model.fit(data, epochs=20, callbacks=[ko.callbacks.Curriculum(data, end="40%")])
    ```

    As a control, compare with `CurriculumDataset(..., order="random")`.

    Args:
        data: The `CurriculumDataset` that is passed to `fit`.
        pacing: A function from progress to share, or an alias:
            {pacings}
        begin: Time at which the share begins to grow: optimizer updates, a percentage of those of
            this training, or `kerasopt.epochs(n)`.
        end: Time from which on all samples are in use.

    Raises:
        ValueError: If an argument is malformed; at the beginning of training, if `begin` comes
            after `end`, or `fit` iterates over other data or with its own `steps_per_epoch`.
    """

    shared = ("data",)

    def __init__(
        self,
        data: curriculum.CurriculumDataset,
        pacing="root",
        begin: Time = 0,
        end: Time = "40%",
    ):
        super().__init__()
        if not isinstance(data, curriculum.CurriculumDataset):
            raise ValueError(
                "`data` must be the `kerasopt.curriculum.CurriculumDataset` that is passed to "
                f"`fit`. Received: data of type {type(data).__name__}"
            )
        self.data = data
        self.pacing = curriculum.get(pacing)
        self.span = CurriculumSpan(0.0, 1.0, begin=begin, end=end)

    def on_train_begin(self, logs=None):
        model, steps = self.model, (self.params or {}).get("steps")
        with undo_on_failure(model):
            require_backend()
            if steps != len(self.data):
                raise ValueError(
                    "`fit` must iterate over the whole `CurriculumDataset` in each epoch: pass it "
                    f"to `fit` without `steps_per_epoch`. Received: {steps} steps in an epoch, "
                    f"{len(self.data)} batches in `data`"
                )
            extent = horizon(self.params, model)
            self.span.check(extent)
            batches = accumulation_steps(model)
            begin, end = self.span.span(extent)
        self.data.set_pacing(self.pacing, begin * batches, end * batches)
        super().on_train_begin(logs)

    def make_values(self, model: keras.Model) -> TrainingValues:
        return TrainingValues(("curriculum",))

    def on_epoch_begin(self, epoch: int, logs=None):
        self.data.set_epoch(epoch)
        self._passes = self.data.passes
        last_batch = (epoch + 1) * len(self.data) - 1
        self.values.write({"curriculum": self.data.share(last_batch)})

    def on_train_batch_begin(self, batch: int, logs=None):
        super().on_train_batch_begin(batch, logs)
        if self.data.passes == self._passes:
            raise ValueError(
                "`fit` does not iterate over the dataset of `Curriculum`. Pass the same "
                "`CurriculumDataset` to `fit` and to the callback. Received: data unused by `fit`"
            )


class CurriculumSpan(schedules.Linear):
    """The progress of a curriculum from its begin to its end, in `[0, 1]`."""
