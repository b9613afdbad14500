"""The files of a backup, written atomically and checked when they are read."""

import contextlib
import json
import os
import zipfile
from collections.abc import Sequence

import keras
import numpy as np

from kerasopt.warning import warn

_LATEST, _PREVIOUS, _UNFINISHED = "latest.npz", "previous.npz", "unfinished.npz"


class BackupFolder:
    """A directory with the values of variables at one point of a training.

    Args:
        path: String, the directory.
        keeps_previous: Boolean, whether the previous backup is kept as well.
    """

    def __init__(self, path: str, keeps_previous: bool):
        self.path = path
        self._keeps_previous = keeps_previous

    def write(self, variables: Sequence[keras.Variable], header: dict) -> None:
        """Writes a backup to a temporary file, and renames it when it is complete.

        Args:
            variables: The variables.
            header: JSON-serializable dict, stored along with the `signature` of
                the variables.
        """
        header = {**header, "signature": signature(variables)}
        encoded = np.frombuffer(json.dumps(header).encode(), "uint8")
        os.makedirs(self.path, exist_ok=True)
        with open(self._file(_UNFINISHED), "wb") as file:
            np.savez(file, header=encoded, **{str(i): v.numpy() for i, v in enumerate(variables)})
            file.flush()
            os.fsync(file.fileno())
        if self._keeps_previous and os.path.exists(self._file(_LATEST)):
            os.replace(self._file(_LATEST), self._file(_PREVIOUS))
        os.replace(self._file(_UNFINISHED), self._file(_LATEST))

    def read(self) -> tuple[dict, list[np.ndarray]] | None:
        """Reads the newest undamaged backup; `None` if there is no backup.

        Raises:
            ValueError: If all backups are damaged.

        Warns:
            UserWarning: If the latest backup is missing or damaged.
        """
        paths = [self._file(name) for name in (_LATEST, _PREVIOUS)]
        if not any(map(os.path.exists, paths)):
            return None
        damage: Exception | None = None
        for path in paths:
            try:
                backup = _read(path)
            except Exception as error:  # damaged bytes make zipfile raise anything
                damage = damage or error
                continue
            if damage is not None:
                warn(
                    f"The latest backup in {self.path!r} is missing or damaged ({damage}): "
                    f"training resumes from the previous one, at epoch {backup[0]['epoch']}.",
                )
            return backup
        raise ValueError(
            f"The backup is damaged ({damage}). Delete it to train from the beginning; with "
            "`double_checkpoint=True` the previous one is kept as well. Received: "
            f"backup_dir={self.path!r}"
        ) from damage

    def delete(self) -> None:
        """Deletes the backups, and the directory if nothing else is in it."""
        for name in (_LATEST, _PREVIOUS, _UNFINISHED):
            with contextlib.suppress(FileNotFoundError):
                os.remove(self._file(name))
        with contextlib.suppress(OSError):  # the directory holds something else, or is gone
            os.rmdir(self.path)

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)


def signature(variables: Sequence[keras.Variable]) -> list:
    """Returns shapes and dtypes, JSON-serializable."""
    return [[list(variable.shape), str(variable.dtype)] for variable in variables]


def _read(path: str) -> tuple[dict, list[np.ndarray]]:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("wrong checksum")
    with np.load(path) as arrays:
        header = json.loads(arrays["header"].tobytes())
        values = [arrays[str(i)] for i in range(len(header["signature"]))]
    # Everything is checked before the first variable is assigned.
    for value, (shape, dtype) in zip(values, header["signature"], strict=True):
        dtype = np.dtype(dtype)
        # NumPy reads bfloat16 and similar types back as raw bytes.
        same = value.dtype == dtype or (value.dtype.kind, value.itemsize) == ("V", dtype.itemsize)
        if not same or list(value.shape) != shape or not value.flags.c_contiguous:
            raise ValueError(f"an array of {value.dtype} and shape {value.shape}, not {shape}")
    return header, values
