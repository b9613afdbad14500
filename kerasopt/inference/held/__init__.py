"""Weights that float layers hold in few bits: links that stand for them."""

from kerasopt.inference.held.half import HalfWeight
from kerasopt.inference.held.held_weight import HeldWeight
from kerasopt.inference.held.integer import IntegerWeight

__all__ = ["HalfWeight", "HeldWeight", "IntegerWeight"]
