"""Post-training quantization."""

from kerasopt.quantization.post_training.post_training import quantize
from kerasopt.quantization.post_training.rounding import AdaRound, Nearest, Rounding

__all__ = ["AdaRound", "Nearest", "Rounding", "quantize"]
