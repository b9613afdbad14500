"""Calls of every native op that should succeed: what `hostile` spoils."""

from ops.fuzz import contractions, others
from ops.fuzz.arguments import CALLS, Call

__all__ = ["CALLS", "Call", "contractions", "others"]
