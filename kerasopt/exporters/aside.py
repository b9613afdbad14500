"""Writing aside and renaming, so that no failure leaves half a file or loses an old one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_aside(path: str | os.PathLike, is_folder: bool = False) -> Iterator[Path]:
    """Yields a path to write to, which takes the place of `path` if nothing fails.

    Args:
        path: String or `os.PathLike`, the file or folder to write.
        is_folder: Whether a folder is written. One that is there is replaced only if it is empty
            or was written by the same format: a SavedModel.

    Raises:
        FileNotFoundError: If the directory of `path` does not exist.
        IsADirectoryError: If `path` is a directory, and a file is to be written.
        FileExistsError: If `path` is something else than the folder it would replace.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"The directory of `path` does not exist: create it first. Received: path={str(path)!r}"
        )
    if is_folder:
        _check_folder(path)
    elif path.is_dir():
        raise IsADirectoryError(f"`path` is a directory: name a file. Received: path={str(path)!r}")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        written = Path(folder, path.name)
        yield written
        if is_folder and path.exists():
            os.rename(path, Path(folder, "before"))
        os.replace(written, path)


def _check_folder(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir() or (any(path.iterdir()) and not Path(path, "saved_model.pb").exists()):
        raise FileExistsError(
            "`path` exists and is not a SavedModel, so it is not replaced: pass another folder. "
            f"Received: path={str(path)!r}"
        )
