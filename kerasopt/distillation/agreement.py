"""How far a student agrees with its teacher."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from kerasopt.distillation.lessons import Lesson
from kerasopt.distillation.losses.kl_divergence import KLDivergence
from kerasopt.distillation.outputs import Kind

NAMES = ("agreement", "teacher_kl")
_CLASSES = (Kind.LOGITS, Kind.PROBABILITIES)


def agreement(lesson: Lesson, outputs: Any, y_pred: Any) -> tuple[Any, Any] | None:
    """Returns the share of equal classes, and the divergence of the student from the teacher.

    Args:
        lesson: The distilled output; its classes stand on the last axis.
        outputs: The outputs of the teacher.
        y_pred: The outputs of the model.

    Returns:
        The share of positions at which both have the same most likely class, and the mean
        Kullback-Leibler divergence at temperature 1; `None` if the output has no classes.
    """
    kinds = lesson.output.kind, lesson.teacher_kind
    known = [kind for kind in kinds if kind in _CLASSES]
    if not known:
        return None
    teacher = keras.tree.flatten(outputs)[lesson.teacher_place]
    student = keras.tree.flatten(y_pred)[lesson.place]
    equal = ops.equal(ops.argmax(teacher, axis=-1), ops.argmax(student, axis=-1))
    is_logits = [kind is Kind.LOGITS for kind in (known[0], known[-1])]
    divergence = KLDivergence(1.0, from_logits=is_logits[0], teacher_from_logits=is_logits[1])
    # Not by `__call__`, which divides by the number of replicas.
    return ops.mean(ops.cast(equal, "float32")), ops.mean(divergence.call(teacher, student))
