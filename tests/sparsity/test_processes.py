"""Statistics on the JAX backend, and on two devices: in processes of their own."""

import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).parents[1]
FOLDER = pathlib.Path(__file__).parent
# Not all of them: every function takes XLA some seconds.
CASES = [
    "statistics_are_those and gradient_accumulation",
    "mixed_precision or embedding or end_of_training",
    "test_in_fit and float16 and jit",
]


def run(arguments, **environment):
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=TESTS.parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_on_jax():
    selection = " or ".join(f"({case})" for case in CASES)
    files = [FOLDER / f"test_{name}.py" for name in ("criteria", "gradient_statistics", "wanda")]
    assert " passed" in run(["-m", "pytest", "-q", "-k", selection, *files], KERAS_BACKEND="jax")


def test_on_two_devices():
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    output = run([FOLDER / "mirrored_statistics.py"], PYTHONPATH=path)
    assert output == "6 statistics agree\n"
