"""Tests in processes of their own: other backends, several devices, nothing imported yet."""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

TESTS = pathlib.Path(__file__).parent

# Forks of one process that has imported Keras, which takes as long as many a test.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["keras"])


def run(*arguments, **environment) -> str:
    """Runs Python with the arguments, asserts that it succeeds, and returns what it prints.

    Scripts find the packages beside this file, and kerasopt where this process has it.
    """
    # An empty entry would be the working directory: the source tree, without its library.
    paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    process = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=TESTS.parent,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def run_with_keras(script, *arguments) -> str:
    """Like `run`, in a process that has imported Keras and nothing else, on the same backend.

    Args:
        script: The path of a script, or its text.
        *arguments: What it finds in `sys.argv`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("stdout", "stderr")]
        process = _FORKS.Process(target=_run, args=(script, [*map(str, arguments)], files))
        process.start()
        process.join()
        output, errors = (file.read_text() for file in files)
    assert process.exitcode == 0, output + errors
    return output


def _run(script, arguments, files):
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY), number)
    sys.argv = [str(script), *arguments]
    if isinstance(script, pathlib.Path):
        runpy.run_path(str(script), run_name="__main__")
    else:
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
