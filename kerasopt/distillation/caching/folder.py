"""The folder of a cache: columns of rows in files, and a manifest that says which are whole."""

from __future__ import annotations

import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from kerasopt.distillation.caching.encodings import Columns
from kerasopt.distillation.caching.layout import Layout

_MANIFEST, _ASIDE = "teacher_cache.json", "teacher_cache.json.unfinished"


class CacheFolder:
    """Columns that are written row by row, from the beginning or from where a process has died.

    A manifest counts the rows that lie on the disk for certain. It is replaced as a whole, after
    the rows; what was written after its last replacement is cut off when writing goes on.

    Args:
        path: The folder.
        made_of: JSON-serializable dict: what the cache is made of.

    Raises:
        ValueError: If the folder is a file, holds other files, or a cache of something else.
    """

    def __init__(self, path: str | os.PathLike, made_of: dict[str, Any]):
        self.path = Path(path)
        self._files: dict[str, io.BufferedWriter] = {}
        found = self._read()
        if found is not None and not found["rows"] and found["made_of"] != made_of:
            self._remove(found)  # it failed before there was anything
            found = None
        if found is not None:
            self._require(found["made_of"], made_of)
        self._manifest: dict[str, Any] = found or {
            "made_of": made_of,
            "is_complete": False,
            "rows": 0,
        }

    @property
    def is_complete(self) -> bool:
        return self._manifest["is_complete"]

    @property
    def rows(self) -> int:
        """The number of rows that are on the disk for certain."""
        return self._manifest["rows"]

    @property
    def facts(self) -> dict[str, Any]:
        """What else the manifest says."""
        return self._manifest.get("facts", {})

    @property
    def has_begun(self) -> bool:
        """Whether it is known what a row consists of."""
        return "layout" in self._manifest

    @property
    def layout(self) -> Layout:
        """What a row consists of."""
        return Layout.from_config(self._manifest["layout"])

    def begin(self, facts: dict[str, Any], layout: Layout) -> None:
        """Writes the manifest of a cache without rows, before any of its other files."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._manifest |= {"facts": facts, "layout": layout.config()}
        self._write_manifest()

    def open(self) -> None:
        """Opens the columns for more rows, and cuts off what is not certain."""
        for name, column in self.layout.columns.items():
            path = self.path / column.file
            path.touch()
            whole = self.rows * column.row_bytes
            if path.stat().st_size < whole:
                raise ValueError(
                    f"The cache is damaged: '{column.file}' is shorter than its manifest says. "
                    f"Delete the folder and write it again. Received: folder={str(self.path)!r}"
                )
            os.truncate(path, whole)
            self._files[name] = open(path, "ab")  # noqa: SIM115

    def append(self, arrays: Columns) -> None:
        """Writes rows of all columns; they count after the next `commit`."""
        for name, array in arrays.items():
            self._files[name].write(np.ascontiguousarray(array).data)

    def commit(self, rows: int, facts: dict[str, Any], is_complete: bool = False) -> None:
        """Waits until all rows lie on the disk, and notes their number in the manifest.

        Args:
            rows: Number of rows in each column.
            facts: What else the manifest is to say.
            is_complete: Whether these are all rows.
        """
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        self._manifest |= {"rows": rows, "facts": facts, "is_complete": is_complete}
        self._write_manifest()

    def close(self) -> None:
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk refuses what does not count
                file.close()
        self._files.clear()

    def first_rows(self, name: str, count: int) -> np.ndarray:
        """Returns the first rows of a column, which need not be complete."""
        column = self.layout.columns[name]
        values = np.fromfile(self.path / column.file, column.dtype, count)
        return values.reshape(count, *column.shape)

    def maps(self) -> Columns:
        """Returns the columns, mapped into memory, read-only."""
        maps = {}
        for name, column in self.layout.columns.items():
            path = self.path / column.file
            size = path.stat().st_size if path.exists() else None
            if size != self.rows * column.row_bytes:
                raise ValueError(
                    f"The cache is damaged: '{column.file}' has not the size that its manifest "
                    "says. Delete the folder and write it again. Received: "
                    f"folder={str(self.path)!r}"
                )
            shape = (self.rows, *column.shape)
            if size:
                mapped = np.memmap(path, column.dtype, "r", shape=shape)
                maps[name] = np.asarray(mapped)  # indexing a memmap makes slow objects
            else:
                maps[name] = np.empty(shape, column.dtype)
        return maps

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        if not self.path.is_dir():
            raise ValueError(
                "`folder` is a file: name a folder, which need not exist. "
                f"Received: folder={str(self.path)!r}"
            )
        manifest = self.path / _MANIFEST
        if manifest.exists():
            try:
                return json.loads(manifest.read_text())
            except ValueError as error:
                raise ValueError(
                    f"'{_MANIFEST}' cannot be read ({error}): delete the folder and make the cache "
                    f"again. Received: folder={str(self.path)!r}"
                ) from error
        foreign = sorted(each.name for each in self.path.iterdir() if each.name != _ASIDE)
        if foreign:
            raise ValueError(
                "`folder` holds files that are no cache: name an empty or a new folder. Received: "
                f"folder={str(self.path)!r} with {foreign[:5]}"
            )
        return None

    def _remove(self, manifest: dict[str, Any]) -> None:
        """Removes the columns of a cache."""
        for column in Layout.from_config(manifest["layout"]).columns.values():
            (self.path / column.file).unlink(missing_ok=True)

    def _require(self, theirs: dict[str, Any], made_of: dict[str, Any]) -> None:
        """Raises if the cache was made of something else."""
        names = list(dict.fromkeys([*made_of, *theirs]))
        different = [name for name in names if theirs.get(name) != made_of.get(name)]
        if different:
            listed = "; ".join(
                f"{name} is {theirs.get(name)!r} there, and {made_of.get(name)!r} now"
                for name in different
            )
            raise ValueError(
                f"`folder` holds the cache of something else: {listed}. Name another folder, or "
                f"delete this one. Received: folder={str(self.path)!r}"
            )

    def _write_manifest(self) -> None:
        aside = self.path / _ASIDE
        with open(aside, "w") as file:
            json.dump(self._manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self.path / _MANIFEST)
