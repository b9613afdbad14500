"""Runs a teacher on batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasopt.distillation.teachers import FileTeacher, ModelTeacher, Teacher, as_teachers
from kerasopt.training.taps import Place


def readable(given: Any) -> ModelTeacher | FileTeacher:
    """Returns the teacher for the argument `teacher`.

    Raises:
        TypeError: If it cannot be cached.
        ValueError: If a model is not built, or a file cannot be read.
    """
    teachers = as_teachers(given)
    if len(teachers) == 1 and isinstance(teachers[0], (ModelTeacher, FileTeacher)):
        return teachers[0]
    raise TypeError(
        "A cache is that of one teacher, a model or a file: make one for each of several. "
        f"Received: teacher={given!r}"
    )


def reader(teacher: Teacher, places: Sequence[Place] = ()) -> Callable[[Any], dict[str, Any]]:
    """Returns a compiled function from a batch to what a teacher gives, on the host.

    Args:
        teacher: The teacher.
        places: Where features are read.
    """
    model = _Reader(teacher, places)
    if isinstance(teacher, ModelTeacher):
        model.jit_compile = teacher.model.jit_compile
        model.run_eagerly = teacher.model.run_eagerly
    return model.predict_on_batch


class _Reader(keras.Model):
    """A model of what is read of a teacher, so that Keras compiles it on every backend."""

    def __init__(self, teacher: Teacher, places: Sequence[Place]):
        super().__init__(name="reading", autocast=False)
        self.model = getattr(teacher, "model", None)  # so that Keras knows its variables
        self.teacher, self.places = teacher, tuple(places)

    def call(self, x: Any) -> dict[str, Any]:
        outputs, features = self.teacher.read(x, self.places)
        return {"outputs": outputs, "features": tuple(features)}
