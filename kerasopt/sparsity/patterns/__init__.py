"""Patterns: which weights are pruned together. Each pattern is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern

PATTERNS.load(__name__)

__all__ = ["Grouping", "Pattern", "get", "register", *PATTERNS.classes]

get, register = PATTERNS.get, PATTERNS.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, PATTERNS)
