"""Runs files in other runtimes, each in its own process, since a damaged file may crash it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

# No file takes as long; one that never ends is damaged.
_SECONDS = 600


class ForeignProcess:
    """A process with a runtime, which answers for one file.

    It starts at once: the runtime loads while the file is being written.

    ```python
    from kerasopt.exporters.litert import run

    ko.export(model, "model.tflite", format="litert")
    with ForeignProcess("LiteRT", run.__file__) as process:
        content, arrays = process.ask("model.tflite", [x], trace=False)
    ```

    Args:
        name: String, the name of the runtime, for messages.
        script: Path of the module that `foreign_child.py` calls.
    """

    def __init__(self, name: str, script: str):
        self._name = name
        self._folder = tempfile.TemporaryDirectory(prefix="kerasopt-", ignore_cleanup_errors=True)
        self._printed = Path(self._folder.name, "printed")
        child = Path(__file__).with_name("foreign_child.py")
        with open(self._printed, "wb") as printed:
            # `-P`: a folder called `onnx` lies beside that script.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(child), script],
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=printed,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def __enter__(self) -> ForeignProcess:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def ask(
        self, path: str | os.PathLike, arrays: Sequence[np.ndarray] = (), **options: Any
    ) -> tuple[Any, list[np.ndarray]]:
        """Returns what the runtime's `answer` says of a file.

        Args:
            path: String or `os.PathLike` of the file.
            arrays: What the file is to be run on.
            **options: The options of `answer`.

        Raises:
            ValueError: If the file cannot be read or run, whatever becomes of the process.
        """
        folder = self._saved(arrays)
        answer = self._answer(folder, path, len(arrays), options)
        if "error" in answer:
            raise ValueError(
                f"{self._name} cannot read or run {os.fspath(path)!r}: it may be damaged, of "
                f"another format, or take other inputs. {answer['error']}. Received: arrays of "
                f"shapes {[array.shape for array in arrays]}"
            )
        outputs = [np.load(folder / f"out{index}.npy") for index in range(answer["count"])]
        return answer["content"], outputs

    def check(self, path: Path, arrays: Sequence[np.ndarray] = ()) -> None:
        """Runs a file that was just written once.

        Args:
            path: Path of the file.
            arrays: What it is run on, with sizes that the model takes; none: it is only loaded.

        Raises:
            ValueError: If it does not run.
        """
        answer = self._answer(self._saved(arrays), path, len(arrays), {"trace": False})
        if "error" in answer:
            raise ValueError(
                f"{self._name} does not run the file that was written for it, so there is none: "
                f"{answer['error']}. Export with format='tf_saved_model'. "
                f"Received: path={path.name!r}"
            )

    def _saved(self, arrays: Sequence[np.ndarray]) -> Path:
        """Returns the folder that holds arrays."""
        folder = Path(self._folder.name)
        for index, array in enumerate(arrays):
            np.save(folder / f"in{index}.npy", array)
        return folder

    def _answer(self, folder: Path, path: Any, count: int, options: dict[str, Any]) -> Any:
        request = {
            "path": os.path.abspath(path),
            "folder": str(folder),
            "count": count,
            "options": options,
        }
        try:
            self._process.communicate(json.dumps(request).encode(), timeout=_SECONDS)
            return json.loads((folder / "answer.json").read_text())
        except subprocess.TimeoutExpired:
            return {"error": f"It did not end within {_SECONDS} seconds"}
        except FileNotFoundError:
            return {"error": self._end()}

    def _end(self) -> str:
        """Returns how the process ended that has no answer, and what it printed at last."""
        code = self._process.returncode
        how = f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        lines = self._printed.read_text(errors="replace").strip().splitlines()
        return f"It ended the process {how}{': ' if lines else ''}{' '.join(lines[-3:])}"
