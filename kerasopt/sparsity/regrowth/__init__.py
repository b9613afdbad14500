"""Regrowth: when and how pruned weights come back."""

from kerasopt.axis import resolve
from kerasopt.sparsity.regrowth.exchange import Exchange
from kerasopt.sparsity.regrowth.regrowth import Regrowth
from kerasopt.sparsity.regrowth.rigl import RigL
from kerasopt.sparsity.regrowth.sparse_evolution import SET
from kerasopt.sparsity.regrowth.straight_through import StraightThrough

__all__ = ["Exchange", "Regrowth", "RigL", "SET", "StraightThrough", "get"]

ALIASES: dict[str, type] = {"set": SET, "rigl": RigL, "straight_through": StraightThrough}


def get(identifier) -> Regrowth:
    """Returns a regrowth from its alias, its config or itself; of `None`, one that revives none."""
    return Regrowth() if identifier is None else resolve(identifier, Regrowth, ALIASES, "regrowth")
