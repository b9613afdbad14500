"""The shared cases on the JAX backend, in a process of their own."""

import os
import pathlib
import subprocess
import sys

TESTS = pathlib.Path(__file__).parents[1]
FILES = [TESTS / "callbacks/test_pruning.py", TESTS / "techniques/test_together.py"]
# Not all of them: every function takes XLA some seconds.
CASES = [
    "TestTogether and finalized and (subclassed or nested)",
    "TestPruning and finalized and (shared or recurrent)",
    "TestPruning and (resumed or plain_weights or mixed_bfloat16 or usable)",
    "nothing_to_prune or overlapping",
]


def test_on_jax():
    selection = " or ".join(f"({case})" for case in CASES)
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", selection, *FILES],
        cwd=TESTS.parent,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    assert " passed" in process.stdout
