"""What a user passes as a teacher."""

from __future__ import annotations

import os
from typing import Any

import keras

from kerasopt.distillation.teachers.file_teacher import FileTeacher
from kerasopt.distillation.teachers.model_teacher import ModelTeacher
from kerasopt.distillation.teachers.teacher import Teacher


def as_teachers(given: Any) -> list[Teacher]:
    """Returns the teachers of the argument `teacher`: a model, a file, a `Teacher`, or several.

    Raises:
        TypeError: If it is none of these.
        ValueError: If a model is not built, a file cannot be read, or a list is empty.
    """
    items = list(given) if isinstance(given, (list, tuple)) else [given]
    if not items:
        raise ValueError(f"`teacher` must not be empty. Received: teacher={given!r}")
    return [_as_teacher(each) for each in items]


def _as_teacher(given: Any) -> Teacher:
    if isinstance(given, Teacher):
        return given
    if hasattr(given, "as_teacher"):
        return given.as_teacher()
    if isinstance(given, keras.Model):
        return ModelTeacher(given)
    if isinstance(given, (str, os.PathLike)) and os.path.exists(given):
        return FileTeacher(given)
    raise TypeError(
        "`teacher` must be a `keras.Model`, the path of a SavedModel, `.tflite` or `.onnx` file, a "
        "cache of `kerasopt.distillation.cache`, a `kerasopt.distillation.Teacher`, or a list of "
        f"these. Received: teacher={given!r} (of type {type(given).__name__})"
    )
