"""Refuses teachers that do not compute the same twice, or compute nothing."""

from __future__ import annotations

import keras
import numpy as np

from kerasopt.distillation.teachers.teacher import NoWeights, Teacher
from kerasopt.training.taps import sample_of

# Differences of parallel sums are far smaller, those of dropout far larger.
_TOLERANCE = 1e-3


def require_steady(teacher: Teacher, student: keras.Model) -> None:
    """Calls a teacher twice on a batch for the student.

    Nothing is done if the shapes of the student's inputs are unknown, or the teacher does not take
    the batch, which an open size may be the reason of.

    Raises:
        ValueError: If the outputs differ, are not finite, or the teacher had no weights.
    """
    try:
        sample = sample_of(student)
        first, second = (_values(teacher, sample) for _ in range(2))
    except NoWeights:
        raise
    except Exception:  # of any kind: the first step says what is wrong
        return
    if not all(np.isfinite(each).all() for each in first):
        raise ValueError(
            "The outputs of `teacher` are NaN or infinite, for numbers in [0, 1) as inputs: its "
            f"weights are damaged, or it overflows. Received: teacher={teacher.name}"
        )
    for one, other in zip(first, second, strict=True):
        if not np.allclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * abs(one).max()):
            raise ValueError(
                "`teacher` computes other outputs when it is called again on the same inputs: a "
                "layer of it, such as dropout, is in training mode whatever `training` says. "
                f"Received: teacher={teacher.name}"
            )


def _values(teacher: Teacher, sample) -> list[np.ndarray]:
    outputs, _ = teacher.read(sample)
    values = [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(outputs)]
    return [each.astype("float32") for each in values]
