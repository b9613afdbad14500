"""Scopes: over which weights a sparsity is reached. Each scope is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.sparsity.scopes.scope import SCOPES, Scope
from kerasopt.sparsity.scopes.scores import Scores, hide
from kerasopt.sparsity.scopes.selection import keep_highest

SCOPES.load(__name__)

__all__ = ["Scope", "Scores", "get", "hide", "keep_highest", "register", *SCOPES.classes]

get, register = SCOPES.get, SCOPES.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, SCOPES)
