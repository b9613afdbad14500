"""The command `kerasopt bench-kernels`."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import keras

from kerasopt.benchmarking.kernels import report
from kerasopt.benchmarking.kernels.case import Case
from kerasopt.benchmarking.kernels.result import measure
from kerasopt.exporters.aside import written_aside
from kerasopt.ops import native


def bench(
    cases: Sequence[Case], threads: int = 1, rounds: int = 15, path: str | os.PathLike | None = None
) -> None:
    """Times kerasopt's kernels and other installed runtimes, and prints a table.

    With several threads, a single thread is measured first, in its own process.

    Args:
        cases: The cases to time, from `CASES` if there are several threads.
        threads: Integer, the number of threads that `start` has set, for the peers.
        rounds: Integer, the number of rounds.
        path: String or `os.PathLike`, a JSON file to write the results to.

    Raises:
        OSError: If `path` cannot be written.
    """
    with contextlib.nullcontext() if path is None else written_aside(path) as file:
        of_one_thread = _of_one_thread(cases, rounds) if threads > 1 else {}
        results = []
        for case in cases:
            print(f"{case.name} ...", file=sys.stderr, flush=True)
            results.append(measure(case, threads, rounds))
        if file is not None:
            file.write_text(json.dumps(report.as_json(results, threads, rounds), indent=1) + "\n")
    print(report.as_table(results, of_one_thread))
    packages = ", ".join(map(" ".join, report.versions().items()))
    print(f"\nThreads: {threads}. Medians of {rounds} interleaved rounds. {packages}.")


def start(threads: int) -> None:
    """Sets TensorFlow's number of threads, and loads the native library.

    Args:
        threads: Integer, the number of threads.

    Raises:
        RuntimeError: If the native library is not in use, or TensorFlow is already initialized,
            after which its threads cannot be changed.
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            "The native kernels run under the TensorFlow backend of Keras: set "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
        )
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if native.load() is None:
        raise RuntimeError(
            "There are no kernels to time, because the native library is not in use: it was not "
            "built for this TensorFlow (see the warning), it is disabled by KERASOPT_NATIVE=0, or "
            "this machine has a GPU."
        )


def _of_one_thread(cases: Sequence[Case], rounds: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "one_thread.json")
        command = [sys.executable, "-m", "kerasopt.cli", "bench-kernels", "--json", str(path)]
        options = ["--rounds", str(rounds), "--only", *(case.name for case in cases)]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
        works: list[dict[str, Any]] = json.loads(path.read_text())["works"]
    return {work["work"]: work["medians"] for work in works}
