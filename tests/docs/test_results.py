"""What a benchmark script reports: a table on stdout, and a file that the next run adds to."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"
COLUMNS = {"run": ("Run", ""), "accuracy": ("Accuracy (%)", ".2f"), "count": ("Count", ",d")}


@pytest.fixture
def results():
    spec = importlib.util.spec_from_file_location("results", BENCHMARKS / "results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_are_printed_and_written(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(BENCHMARKS / "step_time.py"), "--only", "QAT, LSQ"])
    rows = {"a": {"run": "first", "accuracy": [87.641, 0.1], "count": 1200}, "b": {"run": "second"}}
    results.write(tmp_path / "made" / "a.json", COLUMNS, rows)
    assert "| first | 87.64 ± 0.10 | 1,200 |\n| second |  |  |" in capsys.readouterr().out
    file = json.loads((tmp_path / "made" / "a.json").read_text())
    assert file["command"] == "python examples/benchmarks/step_time.py --only 'QAT, LSQ'"
    assert file["rows"] == rows == results.read(tmp_path / "made" / "a.json")
    assert file["machine"] and file["date"] and file["versions"]["keras"]


def test_no_file_has_no_rows(results, tmp_path):
    assert results.read(tmp_path / "missing.json") == {}


def test_cells(results):
    assert results.cell(-0.5, ".1f") == "−0.5"
    assert results.cell([1.0, 0.9, 1.25], ".2f") == "1.00 (0.90–1.25)"
    assert results.cell(None, "d") == ""
