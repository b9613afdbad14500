"""Writes a cache."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasopt.distillation.caching.encodings import LARGEST, Encoding
from kerasopt.distillation.caching.folder import CacheFolder
from kerasopt.distillation.caching.layout import Layout, Part, part_of
from kerasopt.keras_internals.printing import print_msg

# Seconds between two times at which all rows are made certain.
_COMMIT_SECONDS = 2.0


class Writer:
    """Writes what a teacher gives for all samples, and goes on where a process has died.

    Args:
        folder: The `CacheFolder`.
        source: Where the inputs come from.
        read: Function from a batch of inputs to what is stored.
        encoding_of: Function that returns the encoding of an array of the teacher, given its
            index and the array.
        views: Number of views.
        verbose: 0 (silent) or 1 (the size and a progress bar).
    """

    def __init__(
        self,
        folder: CacheFolder,
        source: Any,
        read: Callable[[Any], Any],
        encoding_of: Callable[[int, np.ndarray], Encoding],
        views: int,
        verbose: int,
    ):
        self._folder, self._source, self._read = folder, source, read
        self._encoding_of, self._views, self._verbose = encoding_of, views, verbose

    def write(self, batch_size: int) -> None:
        """Writes all rows that are not there yet, in batches of the size that was begun with.

        Raises:
            ValueError: If the teacher gives what cannot be stored.
            OSError: If the disk is full.
        """
        folder = self._folder
        batch_size = folder.facts.get("batch_size", batch_size)
        try:
            self._write(batch_size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise OSError(
                error.errno,
                f"The disk is full, after {folder.rows} rows of the cache: make room and call "
                "`cache` again, which goes on from there; or store less (`dtype='float16'`, "
                f"`top_k`, fewer `views`). Received: folder={str(folder.path)!r}",
            ) from error
        finally:
            folder.close()

    def _write(self, batch_size: int) -> None:
        folder, samples = self._folder, self._source.samples
        progress = keras.utils.Progbar(
            samples * self._views, verbose=self._verbose, unit_name="sample"
        )
        rows, committed, layout = folder.rows, time.monotonic(), None
        if folder.has_begun:
            folder.open()
        while rows < samples * self._views:
            view, first = divmod(rows, samples)
            for batch in self._source.batches(view, first, batch_size):
                values = {"teacher": self._read(batch["x"])}
                if not folder.has_begun:
                    self._begin(values, batch_size)
                layout = layout or folder.layout
                encoded = layout.encode(values)
                self._check(layout.parts["teacher"], values["teacher"], encoded, rows)
                folder.append(encoded)
                rows += len(keras.tree.flatten(batch["x"])[0])
                progress.update(rows)
                if time.monotonic() - committed > _COMMIT_SECONDS:
                    folder.commit(rows)
                    committed = time.monotonic()
        folder.commit(rows, is_complete=True)

    def _begin(self, values: dict[str, Any], batch_size: int) -> None:
        layout = Layout({"teacher": part_of(values["teacher"], self._encoding_of)})
        needed = layout.row_bytes * self._source.samples * self._views
        self._folder.path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder.path).free
        if self._verbose:
            print_msg(f"The cache takes {_readable(needed)} on the disk.")
        if needed > free:
            raise OSError(errno.ENOSPC, f"{_readable(needed)} are needed, {_readable(free)} free")
        self._folder.begin({"batch_size": batch_size, "samples": self._source.samples}, layout)
        self._folder.open()

    def _check(
        self, part: Part, values: Any, encoded: dict[str, np.ndarray], first_row: int
    ) -> None:
        """Raises `ValueError` for numbers that cannot be stored."""
        for index, leaf in enumerate(keras.tree.flatten(values)):
            stored = encoded[f"teacher_{index}_values"]
            if stored.dtype.kind != "f":
                continue
            if not np.isfinite(stored).all():
                _raise_for(leaf, first_row % self._source.samples)


def _raise_for(values: np.ndarray, first_sample: int) -> None:
    good = np.isfinite(values.astype("float32"))
    sample = first_sample + int(np.argmin(good.reshape(len(good), -1).all(axis=1)))
    if not good.all():
        raise ValueError(
            f"The teacher gives NaN or infinity for sample {sample}: check the sample, and the "
            f"weights and the precision of the teacher. Received: x[{sample}]"
        )
    raise ValueError(
        f"The teacher gives {float(abs(values.astype('float32')).max()):.6g}, and float16 holds "
        f"numbers up to {LARGEST:.0f}: pass dtype='float32'. Received: dtype='float16'"
    )


def _readable(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
