"""The student's own past as the teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasopt import graph
from kerasopt.distillation.outputs import Output, outputs_of
from kerasopt.distillation.teachers.model_teacher import ModelTeacher
from kerasopt.distillation.teachers.teacher import Teacher
from kerasopt.training.direction import metric_direction
from kerasopt.training.taps import Place, Tap


class SelfTeacher(Teacher):
    """A copy of the student with weights of its past: self-distillation.

    With `monitor=None` the copy's weights are an exponential moving average, updated in every step,

        w_teacher = decay * w_teacher + (1 - decay) * w_student

    (Tarvainen and Valpola, "Mean teachers are better role models", 2017,
    https://arxiv.org/abs/1703.01780). With a `monitor` they are those of the best epoch so far
    (as Kim et al., "Self-Knowledge Distillation with Progressive Refinement of Targets", 2021,
    https://arxiv.org/abs/2006.12000, learn from the last epoch); until there is one, at the end of
    the first epoch, the student learns without a teacher.

    ```python
    teacher = ko.distillation.SelfTeacher(decay=0.999)
    model.fit(x, y, callbacks=[ko.callbacks.Distillation(teacher, alpha=0.3)])
    ```

    Args:
        decay: Share of the past in the average, in [0, 1).
        monitor: The metric by which an epoch is the best, such as `"val_accuracy"`, or `None`.
        mode: `"max"` if higher values of `monitor` are better, `"min"` if lower are, or `"auto"`,
            as in Keras' callbacks.

    Raises:
        ValueError: If `decay` is out of range; before a training on several replicas without a
            `monitor`; at the end of an epoch, if the logs do not contain
            `monitor`.
    """

    name = "the student itself"
    _copy: ModelTeacher
    _student: keras.Model

    def __init__(self, decay: float = 0.999, monitor: str | None = None, mode: str = "auto"):
        if not 0 <= decay < 1:
            raise ValueError(
                f"`decay` must be a number from 0, less than 1. Received: decay={decay!r}"
            )
        self.decay, self.monitor, self.mode = decay, monitor, mode

    def begin(self, student: keras.Model) -> None:
        strategy: Any = getattr(student, "distribute_strategy", None)
        if self.monitor is None and getattr(strategy, "num_replicas_in_sync", 1) > 1:
            raise ValueError(
                "An average of the student cannot be updated on several replicas: pass a `monitor` "
                "for the best epoch. Received: SelfTeacher with monitor=None, "
                f"{strategy.num_replicas_in_sync} replicas"
            )
        known = {id(variable) for variable in student.weights}
        self._student = student
        self._copy = ModelTeacher(graph.clone(student))
        self._pairs = [
            (mine, theirs)
            for mine, theirs in zip(self._copy.model.weights, student.weights, strict=True)
            if id(mine) not in known and keras.backend.is_float_dtype(theirs.dtype)
        ]
        self._best = math.inf
        self._is_ready = keras.Variable(
            float(self.monitor is None),
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="is_ready",
        )

    def read(self, x: Any, places: Sequence[Place] = ()) -> tuple[Any, list[Any]]:
        read = self._copy.read(x, places)
        if self.monitor is None:
            for mine, theirs in self._pairs:
                past, now = (ops.convert_to_tensor(each) for each in (mine, theirs))
                now = ops.stop_gradient(ops.cast(now, past.dtype))
                mine.assign(past * self.decay + now * (1 - self.decay))
        return read

    def on_epoch_end(self, student: keras.Model, logs: dict | None) -> None:
        if self.monitor is None:
            return
        value = (logs or {}).get(self.monitor)
        if value is None:
            raise ValueError(
                "`monitor` must be a value in the logs of an epoch. "
                f"Received: monitor={self.monitor!r}, logs with {sorted(logs or ())}"
            )
        mode = metric_direction(student, self.monitor.removeprefix("val_"), self.mode)
        loss = -value if mode == "max" else value
        if loss < self._best:
            self._best = loss
            for mine, theirs in self._pairs:
                mine.assign(ops.copy(theirs))  # JAX gives the buffers of both to the step
            self._is_ready.assign(1.0)

    @property
    def readiness(self) -> Any:
        return ops.convert_to_tensor(self._is_ready)

    @property
    def known_outputs(self) -> Any:
        return self._copy.known_outputs

    def outputs_of(self, structure: Any) -> list[Output]:
        return outputs_of(self._student, structure)

    def find(self, tap: Tap) -> Place:
        return self._copy.find(tap)

    def images_by_size(self, sample: Any) -> dict[tuple[int, ...], Place]:
        return self._copy.images_by_size(sample)

    def variables_beside(self, student: keras.Model) -> list[keras.Variable]:
        return [*self._copy.variables_beside(student), self._is_ready]

    @property
    def channels_first(self) -> bool:
        return self._copy.channels_first
