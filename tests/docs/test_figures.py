"""Figures of the pages are those of `docs/results`, and a page that has others is named."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make(tmp_path):
    """Returns a copy of the pages, and what runs `docs/make.py` there."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    benchmarks = tmp_path / "examples" / "benchmarks"
    benchmarks.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "benchmarks" / "results.py", benchmarks)

    def run(*arguments):
        command = [sys.executable, tmp_path / "docs" / "make.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    return tmp_path, run


def test_pages_are_up_to_date(make):
    _, run = make
    checked = run("--check")
    assert checked.returncode == 0, checked.stderr


def test_page_of_an_older_figure_is_named_and_rewritten(make):
    folder, run = make
    file = folder / "docs" / "results" / "pruning_accuracy.json"
    file.write_text(file.read_text().replace("87.64", "12.34"))
    page = folder / "docs" / "pruning" / "scopes.md"
    checked = run("--check")
    assert checked.returncode == 1 and "docs/pruning/scopes.md is out of date" in checked.stderr
    assert "12.34" not in page.read_text()
    assert run().returncode == 0 and "12.34" in page.read_text()
    assert run("--check").returncode == 0


def test_row_that_no_file_has_is_named(make):
    folder, run = make
    page = folder / "docs" / "pruning" / "scopes.md"
    page.write_text(page.read_text() + "\n<!-- results: pruning_accuracy luck a -->1<!-- end -->\n")
    checked = run("--check")
    assert checked.returncode == 1
    assert "docs/pruning/scopes.md: `results: pruning_accuracy luck a`" in checked.stderr


def test_figure_without_end_and_figure_by_hand_are_named(make):
    folder, run = make
    page = folder / "docs" / "pruning" / "scopes.md"
    page.write_text(page.read_text().replace("<!-- end -->", "", 1))
    (folder / "docs" / "rules.md").write_text("Pruned, it has 87.0 ± 0.2 %.\n")
    checked = run("--check")
    assert checked.returncode == 1
    assert "docs/pruning/scopes.md: a `<!-- results: … -->` has no" in checked.stderr
    assert "docs/rules.md has figures of no file in docs/results: ['87.0 ± 0.2']" in checked.stderr
