"""What a block registers is gone after its page."""

import pytest
from axes import all_axes

from kerasopt.training import technique


@pytest.fixture(autouse=True)
def registries(monkeypatch):
    monkeypatch.setattr(technique, "_TECHNIQUES", [*technique.techniques()])
    for axis in all_axes():
        for registry in ("classes", "aliases"):
            monkeypatch.setattr(axis, registry, dict(getattr(axis, registry)))
