"""Checksums of what computes: functions and teachers."""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching import checksums
from kerasopt.distillation.teachers import FileTeacher, ModelTeacher

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic)


def made_of_teacher(teacher: ModelTeacher | FileTeacher) -> dict[str, str]:
    """Returns checksums of a teacher, by what they are of."""
    if isinstance(teacher, FileTeacher):
        return {"the teacher's file": checksums.of_file(teacher.name)}
    return {
        "the teacher's config": checksums.of_config(teacher.model),
        "the teacher's weights": checksums.of_weights(teacher.model),
        "the teacher's preprocessing": of_function(teacher.preprocess),
    }


def of_function(function: Any) -> str:
    """Returns a checksum of a layer, or of the code of a function and of the values it uses."""
    return checksums.of_text("\n".join(_described(function, set())))


def _described(value: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(value, _PLAIN):
        yield repr(value)
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.Layer):
        yield checksums.of_config(value) + checksums.of_weights(value)
    elif isinstance(value, np.ndarray):
        yield checksums.of_array(value)
    else:
        yield type(value).__qualname__
        for part in _parts(value):
            yield from _described(part, seen)


def _parts(value: Any) -> list[Any]:
    """Returns what an object consists of, as far as it is known."""
    if isinstance(value, types.CodeType):
        return [value.co_code, *value.co_names, *value.co_consts]
    if isinstance(value, types.FunctionType):
        names = _names(value.__code__)
        used = [value.__globals__.get(name) for name in names]
        own = [x for x in used if not isinstance(x, (types.ModuleType, type))]
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__code__, value.__defaults__, value.__kwdefaults__, *cells, *own]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, dict):
        return [part for item in value.items() for part in item]
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (list, tuple)):
        return list(value)
    wrapped = getattr(value, "python_function", None), getattr(value, "__wrapped__", None)
    called = type(value).__call__ if callable(value) else None
    return [*wrapped, called]


def _names(code: types.CodeType) -> list[str]:
    """Returns the names that a function, and those inside it, may take from their module."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]
