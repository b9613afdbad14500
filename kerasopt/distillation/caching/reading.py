"""Runs a teacher on batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasopt.distillation.teachers import ModelTeacher
from kerasopt.training.taps import Place


def reader(teacher: ModelTeacher, places: Sequence[Place] = ()) -> Callable[[Any], dict[str, Any]]:
    """Returns a compiled function from a batch to what a teacher gives, on the host.

    Args:
        teacher: The teacher.
        places: Where features are read.
    """
    model = _Reader(teacher, places)
    model.jit_compile = teacher.model.jit_compile
    return model.predict_on_batch


class _Reader(keras.Model):
    """A model of what is read of a teacher, so that Keras compiles it on every backend."""

    def __init__(self, teacher: ModelTeacher, places: Sequence[Place]):
        super().__init__(name="reading", dtype=teacher.model.dtype_policy)
        self.teacher, self.model = teacher, teacher.model
        self.places = tuple(places)

    def call(self, x: Any) -> dict[str, Any]:
        outputs, features = self.teacher.read(x, self.places)
        return {"outputs": outputs, "features": tuple(features)}
