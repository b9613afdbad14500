"""Runs a teacher on batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from kerasopt.distillation.teacher import Teacher


def reader(teacher: Teacher) -> Callable[[Any], dict[str, Any]]:
    """Returns a compiled function from a batch to what a teacher gives, on the host.

    Args:
        teacher: The teacher.
    """
    model = _Reader(teacher)
    model.jit_compile = teacher.model.jit_compile
    return model.predict_on_batch


class _Reader(keras.Model):
    """A model of what is read of a teacher, so that Keras compiles it on every backend."""

    def __init__(self, teacher: Teacher):
        super().__init__(name="reading", dtype=teacher.model.dtype_policy)
        self.teacher, self.model = teacher, teacher.model

    def call(self, x: Any) -> dict[str, Any]:
        return {"outputs": self.teacher(x), "features": ()}
