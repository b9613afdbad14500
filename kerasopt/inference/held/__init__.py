"""Weights that layers hold in few bits, and multiply with: links that stand for them."""

from kerasopt.inference.held.dynamic import DynamicWeight, rows_left_as_they_are
from kerasopt.inference.held.half import HalfWeight
from kerasopt.inference.held.held_weight import HeldWeight
from kerasopt.inference.held.integer import IntegerWeight

__all__ = ["DynamicWeight", "HalfWeight", "HeldWeight", "IntegerWeight", "rows_left_as_they_are"]
