"""Writes a cache."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from kerasopt.distillation.caching import checksums
from kerasopt.distillation.caching.augmentation import Augmentation
from kerasopt.distillation.caching.choosing import Choice, as_it_is
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.layout import Layout, Part
from kerasopt.distillation.caching.reading import reader
from kerasopt.distillation.caching.sources import ArraySource, Batch, BatchSource
from kerasopt.distillation.caching.storable import cast
from kerasopt.distillation.teachers import Teacher
from kerasopt.keras_internals.printing import print_msg
from kerasopt.training.taps import Place

# Seconds between two times at which all rows are made certain.
_COMMIT_SECONDS = 2.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Settings(NamedTuple):
    """How a teacher is cached; as in `kerasopt.distillation.cache`."""

    dtype: str
    top_k: int | None
    views: int
    augmentation: Augmentation | None

    @property
    def replays(self) -> bool:
        """Whether inputs are stored, too."""
        return self.views > 1 or self.augmentation is not None


class Writer:
    """Writes what a teacher gives for all samples, and goes on where a process has ended.

    Args:
        folder: The `CacheFolder`.
        source: Where the inputs come from.
        teacher: The `Teacher`.
        places: Where its features are read.
        settings: The `Settings`.
        verbose: 0 (silent) or 1 (the size and a progress bar).
    """

    def __init__(
        self,
        folder: CacheFolder,
        source: ArraySource | BatchSource,
        teacher: Teacher,
        places: Sequence[Place],
        settings: Settings,
        verbose: int,
    ):
        self._folder, self._source, self._settings = folder, source, settings
        self._teacher, self._verbose = teacher, verbose
        self._read = reader(teacher, places)
        self._layout: Layout | None = None
        self._choice: Choice | None = None

    def write(self, batch_size: int) -> None:
        """Writes all rows that are not there yet.

        Args:
            batch_size: Number of samples that the teacher is called with. A cache that was begun
                with another one keeps it: sums in another order have other last bits.

        Raises:
            ValueError: If the teacher gives what cannot be stored.
            OSError: If the disk is full.
        """
        folder = self._folder
        new = {"batch_size": batch_size, "written": 0, "sizes": [], "samples": None}
        facts = {**new, **folder.facts}
        try:
            if folder.has_begun:
                self._layout = folder.layout
                folder.open()
            self._write(facts)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise OSError(
                error.errno,
                f"The disk is full ({error.strerror}). {folder.rows} rows of the cache are "
                "certain: make room and call `cache` again, which goes on from there; or store "
                f"less, by `dtype`, `top_k` or `views`. Received: folder={str(folder.path)!r}",
            ) from error
        finally:
            folder.close()

    def _write(self, facts: dict[str, Any]) -> None:
        folder, source, views = self._folder, self._source, self._settings.views
        rows, committed, progress = folder.rows, time.monotonic(), None
        batches = sum(count for _, count in facts["sizes"])
        begun, skip = divmod(facts["written"], batches) if facts["samples"] else (0, batches)
        for view in range(begun, views):
            for batch in source.batches(skip, facts["batch_size"]):
                size = len(keras.tree.flatten(batch["x"])[0])
                expected = facts["samples"] or source.expected(size)
                progress = progress or self._progress(expected)
                self._append(batch, view, rows - view * (facts["samples"] or 0), expected, facts)
                rows += size
                facts["written"] += 1
                if view == 0:
                    _count(facts["sizes"], size)
                progress.update(rows)
                if time.monotonic() - committed > _COMMIT_SECONDS:
                    folder.commit(rows, facts)
                    committed = time.monotonic()
            facts["samples"] = facts["samples"] or rows
            if rows != facts["samples"] * (view + 1) or not rows:
                raise ValueError(
                    "Each pass over `x` must give the same number of samples, and at least one. "
                    f"Received: {facts['samples']} samples in the first, {rows} in {view + 1}"
                )
            skip = 0
        folder.commit(rows, facts, is_complete=True)

    def _progress(self, expected: int | None) -> keras.utils.Progbar:
        target = expected and expected * self._settings.views
        return keras.utils.Progbar(target, verbose=self._verbose, unit_name="sample")

    def _append(
        self, batch: Batch, view: int, first: int, expected: int | None, facts: dict[str, Any]
    ) -> None:
        """Writes the rows of a batch, the first of which is sample `first`."""
        if self._settings.augmentation is not None:
            batch = {**batch, "x": self._settings.augmentation(batch["x"], view, first)}
        values = self._read(batch["x"])
        if self._choice is None:
            outputs = self._teacher.outputs_of(values["outputs"])
            self._choice = Choice(self._settings.dtype, self._settings.top_k, outputs)
        if self._settings.replays:
            values |= batch
        elif self._source.is_in_batches:
            values["checksum"] = checksums.of_ends(batch["x"])
        if self._layout is None:
            self._layout = self._begun(self._choice, values, expected, facts)
        columns = self._layout.split(values)
        probabilities = self._choice.probability_columns
        self._folder.append(cast(self._layout.columns, columns, probabilities, first))

    def _begun(
        self, choice: Choice, values: dict[str, Any], expected: int | None, facts: dict[str, Any]
    ) -> Layout:
        """Begins the folder, if there is room."""
        rules = {"outputs": choice.of_output, "features": choice.of_feature}
        layout = Layout(
            {name: Part.of(value, rules.get(name, as_it_is)) for name, value in values.items()}
        )
        self._folder.path.mkdir(parents=True, exist_ok=True)
        if expected is not None:
            needed = layout.row_bytes * expected * self._settings.views
            free = shutil.disk_usage(self._folder.path).free
            if self._verbose:
                print_msg(f"The cache will take {_readable(needed)} on the disk.")
            if needed > free:
                text = f"{_readable(needed)} are needed, {_readable(free)} are free"
                raise OSError(errno.ENOSPC, text)
        self._folder.begin(facts, layout)
        self._folder.open()
        return layout


def _count(sizes: list[list[int]], size: int) -> None:
    """Adds a batch to a list of sizes, each with the number of batches in a row that have it."""
    if not sizes or sizes[-1][0] != size:
        sizes.append([size, 0])
    sizes[-1][1] += 1


def _readable(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
