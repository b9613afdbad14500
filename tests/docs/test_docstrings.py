"""The Python blocks of docstrings run, each by itself, in the package that is imported."""

import importlib
from pathlib import Path

import pytest
from docs.names import names
from sybil.document import PythonDocStringDocument
from sybil.parsers.markdown import PythonCodeBlockParser

import kerasopt

PACKAGE = Path(kerasopt.__file__).parent


def examples():
    """Yields the blocks of all modules, each with the name of its module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if "```python" not in path.read_text():
            continue
        document = PythonDocStringDocument.parse(str(path), PythonCodeBlockParser())
        document.pop_evaluator(document.import_document)  # the names are those of the test
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for example in document:
            yield pytest.param(module, example, id=f"{module}:{example.line}")


@pytest.mark.parametrize(("module", "example"), list(examples()))
def test_block_runs(module, example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example.namespace.clear()
    example.namespace.update(vars(importlib.import_module(module)))
    example.namespace.update(names(example.parsed))
    example.evaluate()
