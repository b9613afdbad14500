"""Figures of the pages are those of `docs/results`, and a page that has others is named."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(root, *arguments):
    command = [sys.executable, root / "docs" / "make.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path):
    """A folder with a file of results, and a page of a figure and a table of them."""
    for file in ("docs/make.py", "examples/benchmarks/results.py"):
        (tmp_path / file).parent.mkdir(parents=True)
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "docs" / "results").mkdir()
    rows = {"lamp": {"method": "LAMP", "accuracy": [87.64, 0.14]}}
    columns = {"method": ["Method", ""], "accuracy": ["Accuracy (%)", ".2f"]}
    (tmp_path / "docs" / "results" / "pruning.json").write_text(
        json.dumps({"columns": columns, "rows": rows})
    )
    (tmp_path / "docs" / "page.md").write_text(
        "Pruned, it has <!-- results: pruning lamp accuracy --><!-- end --> %.\n\n"
        "<!-- results: pruning -->\n<!-- end -->\n"
    )
    assert make(tmp_path).stdout == "docs/page.md rewritten.\n"
    return tmp_path


def test_pages_are_up_to_date():
    checked = make(ROOT, "--check")
    assert checked.returncode == 0, checked.stderr


def test_figure_and_table_are_those_of_the_file(folder):
    page = (folder / "docs" / "page.md").read_text()
    assert "-->87.64 ± 0.14<!-- end -->" in page and "\n| LAMP | 87.64 ± 0.14 |\n" in page
    assert make(folder, "--check").returncode == 0


def test_page_of_an_older_figure_is_named_and_rewritten(folder):
    file, page = folder / "docs" / "results" / "pruning.json", folder / "docs" / "page.md"
    file.write_text(file.read_text().replace("87.64", "12.34"))
    checked = make(folder, "--check")
    assert checked.returncode == 1 and "docs/page.md is out of date" in checked.stderr
    assert "12.34" not in page.read_text()
    assert make(folder).returncode == 0 and page.read_text().count("12.34") == 2
    assert make(folder, "--check").returncode == 0


def test_row_that_no_file_has_is_named(folder):
    page = folder / "docs" / "page.md"
    page.write_text(page.read_text() + "\n<!-- results: pruning luck a -->1<!-- end -->\n")
    checked = make(folder, "--check")
    assert checked.returncode == 1
    assert "docs/page.md: `results: pruning luck a` cannot be read" in checked.stderr


def test_figure_without_end_and_figure_by_hand_are_named(folder):
    page = folder / "docs" / "page.md"
    page.write_text(page.read_text().replace("<!-- end -->", "", 1))
    (folder / "docs" / "rules.md").write_text("Pruned, it has 87.0 ± 0.2 %.\n")
    checked = make(folder, "--check")
    assert checked.returncode == 1
    assert "docs/page.md: a `<!-- results: … -->` has no" in checked.stderr
    assert "docs/rules.md has figures of no file in docs/results: ['87.0 ± 0.2']" in checked.stderr
