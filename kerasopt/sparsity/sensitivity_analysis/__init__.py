"""What each layer bears: pruned by itself, how far the metric falls."""

from kerasopt.sparsity.sensitivity_analysis.analysis import sensitivity
from kerasopt.sparsity.sensitivity_analysis.curves import Sensitivity

__all__ = ["Sensitivity", "sensitivity"]
