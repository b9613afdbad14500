"""The work of a distillation in one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasopt.distillation.matching import Comparison, Features
from kerasopt.distillation.scalar import Scalar
from kerasopt.distillation.teachers import Teacher
from kerasopt.schedules.times import Horizon
from kerasopt.training import Run
from kerasopt.training.model_state import ModelState
from kerasopt.training.optimizers.learning_rates import reset_learning_rate, set_learning_rate
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables
from kerasopt.training.taps import sample_of


class DistillationRun(Run):
    """Finds what is compared, makes projections, and moves scheduled numbers.

    Args:
        teachers: List of `Teacher`.
        features: List of `Features`.
        scalars: List of all `Scalar`s of the callback and its losses.
        name: The name of the callback.
    """

    stage = None

    def __init__(
        self,
        teachers: list[Teacher],
        features: list[Features],
        scalars: list[Scalar],
        name: str,
    ):
        self._teachers, self._features, self._name = teachers, features, name
        self._scalars = [each for each in scalars if each.is_scheduled]
        self.is_timed = bool(self._scalars)
        self.comparisons: list[Comparison] = []

    def attach(self, model: keras.Model) -> None:
        for teacher in self._teachers:
            teacher.begin(model)
            self.attachments.at_end(teacher.end)
        sample = sample_of(model) if self._features else None
        self.attachments.at_end(lambda: follow_trainable_variables(model))
        for index, features in enumerate(self._features):
            name = f"{self._name}_projection_{index}"
            comparison = Comparison(features, model, self._teachers[0], sample, name)
            self.comparisons.append(comparison)
            state = [v for each in comparison.projections for v in each.variables]
            self.attachments.at_end(comparison.remove, state)
        follow_trainable_variables(model)
        projected = ModelState.trained(model)
        if projected:  # no weights of the model: without weight decay, and in no file's optimizer
            set_learning_rate(model, projected, 1.0)
            self.attachments.at_end(lambda: reset_learning_rate(model, projected))

    def detach(self) -> None:
        super().detach()
        self.finish()

    def bind(self) -> list[keras.Variable]:
        """Creates the variables that the step reads and writes, and returns them."""
        self._damaged, self._unusable = (
            keras.Variable(0.0, dtype="float32", trainable=False, aggregation="sum", name=name)
            for name in ("damaged", "unusable")
        )
        for scalar in self._scalars:
            scalar.variable = keras.Variable(
                scalar.schedule.initial,
                dtype="float32",
                trainable=False,
                aggregation="only_first_replica",
                name=scalar.name,
            )
        return [self._damaged, self._unusable, *(scalar.variable for scalar in self._scalars)]

    def count_finite(self, are_finite: Sequence[Any]) -> None:
        """Counts, in the step, the samples for which a teacher gives NaN or infinity."""
        for good in are_finite:
            self._damaged.assign_add(ops.sum(1.0 - good))

    def count_labels(self, unusable: Any) -> None:
        """Counts, in the step, the labels that a loss cannot use."""
        self._unusable.assign_add(unusable)

    def require_usable(self, model: keras.Model) -> None:
        """Raises `ValueError` if a teacher has given NaN or infinity, or labels name no class.

        The student has not learned from these samples.

        Args:
            model: The model, up to date.
        """
        damaged = int(float(self._damaged.numpy()))
        if damaged:
            names = [teacher.name for teacher in self._teachers]
            raise ValueError(
                f"`teacher` gave NaN or infinite outputs for {damaged} samples. The model has not "
                "learned from them; check the teacher, its precision and its inputs. Received: "
                f"teacher={names}, model={model.name}"
            )
        if unusable := int(float(self._unusable.numpy())):
            raise ValueError(
                f"{unusable} labels are neither integers below the number of classes nor one-hot. "
                "The distillation loss, which reads labels, has left them out: mend them, or take "
                f"one that reads none, such as 'kl_divergence'. Received: model={model.name}"
            )

    def check(self, horizon: Horizon) -> None:
        for scalar in self._scalars:
            scalar.schedule.check(horizon)

    def next_due(self, update: int, horizon: Horizon) -> int | None:
        times = [scalar.schedule.next_due(update, horizon) for scalar in self._scalars]
        return min((time for time in times if time is not None), default=None)

    def on_update(self, update: int, horizon: Horizon) -> None:
        for scalar in self._scalars:
            if scalar.variable is not None:
                due = scalar.schedule.last_due(update, horizon)
                scalar.variable.assign(scalar.schedule(due or 0, horizon))

    def finish(self) -> None:
        for scalar in self._scalars:
            scalar.variable = None
