"""Regrowth: when and how pruned weights return. Each kind is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.sparsity.regrowth.exchange import Exchange
from kerasopt.sparsity.regrowth.regrowth import REGROWTHS, Regrowth

REGROWTHS.load(__name__)

__all__ = ["Exchange", "Regrowth", "get", "register", *REGROWTHS.classes]

register = REGROWTHS.register


def get(identifier) -> Regrowth:
    """Returns a regrowth, given an alias, a config or a regrowth; `None` means no regrowth."""
    return Regrowth() if identifier is None else REGROWTHS.get(identifier)


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, REGROWTHS)
