"""Makes the cache of a teacher, or opens it."""

from __future__ import annotations

import os
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching import checksums
from kerasopt.distillation.caching.cached_teacher import CachedTeacher
from kerasopt.distillation.caching.encodings import Dense, Encoding
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.reading import reader
from kerasopt.distillation.caching.sources import ArraySource
from kerasopt.distillation.caching.writing import Writer
from kerasopt.distillation.outputs import outputs_of
from kerasopt.distillation.teachers import ModelTeacher
from kerasopt.training.indexed_dataset import check_integer

_DTYPES = ("float16", "float32")
_FORMAT = 1


def cache(
    teacher: keras.Model,
    x: Any,
    folder: str | os.PathLike,
    *,
    dtype: str = "float16",
    batch_size: int = 128,
    verbose: int = 1,
) -> CachedTeacher:
    """Computes what a teacher gives for all samples, once, and keeps it in a folder.

    ```python
    cached = ko.distillation.cache(teacher, x, "teacher_cache")
    data = cached.dataset(x, y, batch_size=64)
    model.fit(data, epochs=10, callbacks=[ko.callbacks.Distillation(cached)])
    ```

    Args:
        teacher: A trained, built `keras.Model`.
        x: Inputs: an array of `n` samples, or a dict, tuple or list of arrays.
        folder: The folder to write, or with the same cache, which is then opened or, if its writing
            was interrupted, written to its end.
        dtype: `"float16"` or `"float32"`.
        batch_size: Number of samples in one call of the teacher.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        A `CachedTeacher`.

    Raises:
        TypeError: If `teacher` is not a model.
        ValueError: If an argument is out of range, the teacher is not built or gives NaN or what
            `dtype` cannot hold, or `folder` holds something else.
        OSError: If the disk is full.
    """
    taught = ModelTeacher(teacher)
    check_integer("batch_size", batch_size, 1, float("inf"))
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {list(_DTYPES)}. Received: dtype={dtype!r}")
    source = ArraySource(x)
    made_of = {
        "the format": _FORMAT,
        "Keras": keras.__version__.rpartition(".")[0],
        "the data": source.made_of(),
        "the teacher's config": checksums.of_config(teacher),
        "the teacher's weights": checksums.of_weights(teacher),
        "dtype": dtype,
    }
    cached = CacheFolder(folder, made_of)
    if not cached.is_complete:

        def encoding_of(index: int, values: np.ndarray) -> Encoding:
            stored = dtype if keras.backend.is_float_dtype(values.dtype.name) else values.dtype.name
            return Dense(values.shape[1:], stored)

        Writer(cached, source, reader(taught), encoding_of, 1, verbose).write(batch_size)
    structure = cached.layout.decode("teacher", cached.maps(), slice(0, 0))["outputs"]
    outputs = outputs_of(teacher, structure)
    return CachedTeacher(teacher.name, cached, outputs, made_of["the data"])
