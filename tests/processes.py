"""Tests in processes of their own: other backends, several devices, nothing imported yet."""

import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).parent


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
