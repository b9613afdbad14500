"""The command line, in processes of its own where TensorFlow's threads are set."""

import json

import processes
import pytest

from kerasopt import cli
from kerasopt.benchmarking import kernels

COMMAND = "from kerasopt import cli; cli.main()"


def test_two_threads_are_held_against_one(tmp_path):
    path, name = tmp_path / "figures.json", "dynamic int8 dense 1x1024x1024"
    options = ("--rounds", 1, "--threads", 2, "--json", path, "--only", name)
    table = processes.run_with_keras(COMMAND, "bench-kernels", *options)
    assert name in table and "over one thread" in table and "Threads: 2" in table
    found = json.loads(path.read_text())
    assert found["threads"] == 2 and [work["work"] for work in found["works"]] == [name]


def test_without_the_native_library_it_says_so():
    without = "import os; os.environ['KERASOPT_NATIVE'] = '0'; "
    with pytest.raises(AssertionError) as error:
        processes.run_with_keras(without + COMMAND, "bench-kernels")
    output = str(error.value)
    assert "kerasopt bench-kernels: There are no kernels to time" in output
    assert "the native library is not in use" in output and "Traceback" not in output


def test_an_unknown_work_is_an_error_with_the_names():
    with pytest.raises(SystemExit) as error:
        cli.main(["bench-kernels", "--only", "int7"])
    assert all(case.name in str(error.value) for case in kernels.CASES)
    assert "int7" in str(error.value)


@pytest.mark.parametrize("arguments", [[], ["bench-kernels", "--threads", "0"], ["bench"]])
def test_bad_arguments_are_errors_of_usage(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert "usage: kerasopt" in capsys.readouterr().err


def test_help_names_the_command(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert "bench-kernels" in capsys.readouterr().out
