"""The C++ tests of the kernels, built and run without TensorFlow, with sanitizers and without."""

import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).parents[2] / "custom_ops" / "tests"
# Where the package ros-gtest-vendor of the extra `test` has GoogleTest's sources.
GTEST = pathlib.Path(sys.prefix, "src", "gtest_vendor")


@pytest.mark.parametrize("sanitize", ["OFF", "ON"])
def test_kernels(sanitize, tmp_path):
    run("cmake", "-G", "Ninja", "-S", SOURCE, "-B", tmp_path, f"-DSANITIZE={sanitize}",
        f"-DGTEST_SOURCE={GTEST}")  # fmt: skip
    run("cmake", "--build", tmp_path)
    report = run(tmp_path / "kernel_tests")
    assert "[  PASSED  ]" in report and "scalar" in report


def run(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    return output
