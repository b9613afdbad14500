"""Matches what a student computes with what its teacher does: pairs of tensors, their shapes."""

from kerasopt.distillation.matching.comparison import Comparison
from kerasopt.distillation.matching.features import Features, as_features

__all__ = ["Comparison", "Features", "as_features"]
