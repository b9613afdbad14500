"""Makes the cache of a teacher, or opens it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasopt.distillation.caching.augmentation import Augmentation
from kerasopt.distillation.caching.cached_teacher import CachedTeacher
from kerasopt.distillation.caching.code_checksums import made_of_teacher, of_function
from kerasopt.distillation.caching.dataset import require_same
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.reading import readable
from kerasopt.distillation.caching.sources import ArraySource, BatchSource, as_source
from kerasopt.distillation.caching.writing import Settings, Writer
from kerasopt.training.indexed_dataset import check_integer
from kerasopt.training.taps import as_tap

_DTYPES = ("float16", "float32")
_FORMAT = 1


def cache(
    teacher: Any,
    x: Any,
    folder: str | os.PathLike,
    *,
    views: int = 1,
    augment: Callable[..., Any] | None = None,
    dtype: str = "float16",
    top_k: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
    taps: Sequence[Any] = (),
    verbose: int = 1,
) -> CachedTeacher:
    """Computes what a teacher gives for all samples, once, and keeps it in a folder.

    In trainings the files are mapped into memory: a batch is read by its rows, and the teacher does
    not run, nor is it held.

    The same call with the same teacher, inputs and settings opens the folder again. If its writing
    was interrupted, it goes on where it was; nothing half-written is ever taken for whole.

    With `augment` the student sees the very inputs that the teacher has seen: the folder also has
    `views` augmented versions of all inputs, and epoch `e` of a training replays version
    `e % views`. (What a teacher computes for an image is not what it computes for its mirror
    image.)

    ```python
    cached = ko.distillation.cache(teacher, x, "teacher_cache")
    data = cached.dataset(x, y, batch_size=16)
    model.fit(data, epochs=10, callbacks=[ko.callbacks.Distillation(cached)])

    flip = keras.layers.RandomFlip("horizontal")
    cached = ko.distillation.cache(teacher, x, "four_views", views=4, augment=flip)
    ```

    Args:
        teacher: A trained, built `keras.Model`; a `ModelTeacher`; or the path of a SavedModel,
            `.tflite` or `.onnx` file.
        x: Inputs: an array of `n` samples, or a dict, tuple or list of arrays; a
            `kerasopt.curriculum.CurriculumDataset`; or a `keras.utils.PyDataset` or
            `tf.data.Dataset`, which must give the same batches in each epoch, unless `views` is
            more than 1: then the folder also has the inputs, targets and weights of as many epochs,
            as they come.
        folder: The folder, new, empty or of this cache.
        views: Number of versions of each sample.
        augment: A layer, or a function of a batch of inputs, that makes a version of them. Called
            with `training=True` if it takes that. What it draws follows from `seed`, the view and
            the batch, if it draws by Keras, NumPy's `np.random` or Python's `random`.
        dtype: `"float16"` or `"float32"`, of what the teacher gives.
        top_k: Number of classes of which logits or probabilities are kept, for outputs of many
            classes. Training sees the rest of the probability spread evenly over all others.
            `None`: all.
        batch_size: Number of samples in one call of the teacher.
        seed: Integer that determines what `augment` draws.
        taps: List of `kerasopt.training.Tap`, or of selectors of layers whose output is meant: the
            features of the teacher that `Distillation(features=...)` compares.
        verbose: 0 (silent) or 1 (the size and a progress bar).

    Returns:
        A `CachedTeacher`.

    Raises:
        TypeError: If `teacher` is neither a model nor a file, or `augment` not callable.
        ValueError: If an argument is out of range; the teacher is not built, gives NaN or what
            `dtype` cannot hold; or `folder` is a file, holds other files or the cache of something
            else.
        OSError: If the disk is full.
    """
    taught, source = readable(teacher), as_source(x)
    check_integer("views", views, 1, math.inf)
    check_integer("batch_size", batch_size, 1, math.inf)
    check_integer("seed", seed, 0, math.inf)
    if top_k is not None:
        check_integer("top_k", top_k, 1, math.inf)
    if dtype not in _DTYPES:
        raise ValueError(f"`dtype` must be one of {list(_DTYPES)}. Received: dtype={dtype!r}")
    if views > 1 and augment is None and not source.is_in_batches:
        raise ValueError(
            "`views` are versions of the inputs that `augment` makes: pass it, too. Received: "
            f"views={views}, augment=None"
        )
    places = [taught.find(as_tap(tap)) for tap in taps]
    augmentation = None if augment is None else Augmentation(augment, seed)
    made_of = {
        "the format": _FORMAT,
        "Keras": keras.__version__.rpartition(".")[0],
        "the data": source.made_of(),
        **made_of_teacher(taught),
        "dtype": dtype,
        "top_k": top_k,
        "views": views,
        "taps": [[place.path, place.tap.of, place.tap.call] for place in places],
        "augment": augment and [of_function(augment), seed],
    }
    written = CacheFolder(folder, made_of)
    settings = Settings(dtype, top_k, views, augmentation)
    _require_batches(source, written, settings)
    if not written.is_complete:
        Writer(written, source, taught, places, settings, verbose).write(batch_size)
    structure = written.layout.joined("outputs", written.maps(), slice(0, 0))
    return CachedTeacher(
        taught.name,
        written,
        taught.outputs_of(structure),
        [(place.path, place.tap) for place in places],
        taught.channels_first,
        made_of["the data"],
    )


def _require_batches(
    source: ArraySource | BatchSource, folder: CacheFolder, settings: Settings
) -> None:
    """Raises `ValueError` if a dataset does not begin as that of the folder."""
    if isinstance(source, BatchSource) and folder.rows and not settings.replays:
        size, _ = folder.facts["sizes"][0]
        require_same(source.first(), folder.first_rows("checksum_0_values", size), 0)
