"""The C++ tests of the kernels, built and run without TensorFlow, with sanitizers and without."""

import pathlib
import shutil
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).parents[2] / "custom_ops" / "tests"
# Where the package ros-gtest-vendor of the extra `test` has GoogleTest's sources.
GTEST = pathlib.Path(sys.prefix, "src", "gtest_vendor")


def test_kernels(tmp_path):
    build(tmp_path)
    for program in ("kernel_tests", "sanitized_kernel_tests"):
        report = run(tmp_path / program)
        assert "[  PASSED  ]" in report and "scalar" in report


def test_kernels_for_aarch64(tmp_path):
    for tool in ("aarch64-linux-gnu-g++", "qemu-aarch64"):
        if shutil.which(tool) is None:
            pytest.skip(f"AArch64 is compiled for and emulated; {tool} is not installed")
    build(tmp_path, f"-DCMAKE_TOOLCHAIN_FILE={SOURCE / 'aarch64.cmake'}")
    tests = tmp_path / "kernel_tests"
    report = run("qemu-aarch64", "-cpu", "max", tests)
    assert "[  PASSED  ]" in report and "neondot" in report and "scalar" in report
    # The first AArch64 CPUs have no dot product.
    available = run("qemu-aarch64", "-cpu", "cortex-a53", tests, "--gtest_list_tests")
    assert "neondot" not in available and "scalar" in available


def build(directory, *options):
    run("cmake", "-G", "Ninja", "-S", SOURCE, "-B", directory, *options, f"-DGTEST_SOURCE={GTEST}")
    run("cmake", "--build", directory)


def run(*command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    return output
