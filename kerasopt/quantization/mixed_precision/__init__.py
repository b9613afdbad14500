"""Mixed precision: the sensitivity of layers to fewer bits, and the best widths under a budget."""

from kerasopt.quantization.mixed_precision.analysis import width_sensitivity
from kerasopt.quantization.mixed_precision.widths import Widths, WidthSensitivity

__all__ = ["WidthSensitivity", "Widths", "width_sensitivity"]
