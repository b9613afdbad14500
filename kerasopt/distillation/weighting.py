"""Weights of samples: of teachers, and of what is not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasopt.distillation.lessons import Lesson
from kerasopt.distillation.teacher_weights import confidence_weights


def finite(outputs: Any) -> tuple[Any, Any]:
    """Returns outputs with zeros for samples that are not finite, and which samples are finite.

    The second is a float32 tensor of shape `(batch,)`, of ones and zeros.
    """
    flat = [ops.cast(x, "float32") for x in keras.tree.flatten(outputs)]
    good = [ops.all(ops.isfinite(x), axis=tuple(range(1, len(x.shape)))) for x in flat]
    is_good = ops.all(ops.stack(good), axis=0)

    def kept(x: Any) -> Any:
        shape = (-1, *[1] * (len(x.shape) - 1))
        return ops.where(ops.reshape(is_good, shape), x, ops.zeros_like(x))

    return keras.tree.map_structure(kept, outputs), ops.cast(is_good, "float32")


def weights_of(
    how: str, lessons: Sequence[Sequence[Lesson]], outputs: Sequence[Any], y: Any, y_pred: Any
) -> list[list[Any]]:
    """Returns for each teacher its weight in each of its lessons; their sum over teachers is 1."""
    count = len(outputs)
    if how == "mean" or y is None or count == 1:
        return [[1.0 / count] * len(learned) for learned in lessons]
    labels = for_each_output(y, len(keras.tree.flatten(y_pred)))
    flat = [keras.tree.flatten(taught) for taught in outputs]
    of_lessons = []
    for same in zip(*lessons, strict=True):
        taught = [each[lesson.teacher_place] for each, lesson in zip(flat, same, strict=True)]
        losses = [lesson.loss for lesson in same]
        of_lessons.append(confidence_weights(taught, labels[same[0].place], losses))
    return [list(shares) for shares in zip(*of_lessons, strict=True)]


def weights_of_finite(sample_weight: Any, is_finite: Any) -> Any:
    """Returns the weights of samples, 0 where the teacher is not finite.

    Weights for each of several outputs do not apply to features.
    """
    flat = keras.tree.flatten(sample_weight)
    if len(flat) != 1 or flat[0] is None:
        return is_finite
    return times(flat[0], is_finite, flat[0])


def for_each_output(given: Any, count: int) -> list[Any]:
    """Returns what is given for each output, flat: targets or weights."""
    flat = keras.tree.flatten(given)
    return flat * count if len(flat) == 1 else flat


def times(sample_weight: Any, weight: Any, like: Any) -> Any:
    """Returns the weights of samples times those of a teacher, for a loss of each position."""
    factors = [ops.cast(x, "float32") for x in (sample_weight, weight) if x is not None]
    rank = max(len(like.shape) - 1, *(len(x.shape) for x in factors), 0)
    # A weight of a sample is that of all its positions; Keras would take the last axis for samples.
    return math.prod(
        ops.reshape(x, (*ops.shape(x), *[1] * (rank - len(x.shape)))) if len(x.shape) else x
        for x in factors
    )
