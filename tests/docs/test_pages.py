"""The Python blocks of README, docs and their like run, those of a page one after the other."""

from pathlib import Path

import pytest
from docs.names import names
from sybil import Document
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = Document.parse(str(path), PythonCodeBlockParser())
    document.namespace.update(names(document.text))
    for example in document:
        example.evaluate()
