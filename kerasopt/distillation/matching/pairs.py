"""Finds the pairs of places whose tensors are compared."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras

from kerasopt.distillation.matching.features import Features
from kerasopt.distillation.teachers.teacher import Teacher
from kerasopt.keras_internals.printing import print_msg
from kerasopt.training.taps import Place, Tap, find, images_by_size


class Pair(NamedTuple):
    """What is read of a student and of a teacher; three places each for hand-written attention."""

    student: tuple[Place, ...]
    teacher: tuple[Place, ...]

    def __str__(self) -> str:
        ours, theirs = (", ".join(each.path for each in side) for side in self)
        return f"'{ours}' with '{theirs}'"


def pairs_of(features: Features, student: keras.Model, teacher: Teacher, sample: Any) -> list[Pair]:
    """Returns the pairs of features.

    Args:
        features: The `Features`.
        student: The model that trains.
        teacher: The teacher.
        sample: A batch of inputs; read only to find images of equal size.

    Raises:
        ValueError: If a tap does not match exactly one layer, or no images have equal sizes.
    """
    if features.taps is None:
        return _same_size_pairs(student, teacher, sample)
    return [
        Pair(
            tuple(find(student, tap) for tap in _several(one)),
            tuple(teacher.find(tap) for tap in _several(other)),
        )
        for one, other in features.taps
    ]


def _several(taps: Tap | tuple[Tap, ...]) -> tuple[Tap, ...]:
    return taps if isinstance(taps, tuple) else (taps,)


def _same_size_pairs(student: keras.Model, teacher: Teacher, sample: Any) -> list[Pair]:
    """Returns pairs of the last outputs of each size of images that both models have."""
    ours, theirs = images_by_size(student, sample), teacher.images_by_size(sample)
    pairs = [Pair((ours[size],), (theirs[size],)) for size in ours if size in theirs]
    if not pairs:
        raise ValueError(
            "No outputs of layers of the model and of `teacher` are images of equal size: pass the "
            f"pairs to compare as `taps`. Received: sizes {list(ours)} in model '{student.name}', "
            f"{list(theirs)} in '{teacher.name}'"
        )
    for pair in pairs:
        print_msg(f"Distillation compares {pair}.")
    return pairs
