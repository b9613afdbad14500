"""Sensitivity analysis: how far each layer can be pruned."""

from kerasopt.sparsity.sensitivity_analysis.analysis import sensitivity
from kerasopt.sparsity.sensitivity_analysis.curves import Sensitivity

__all__ = ["Sensitivity", "sensitivity"]
