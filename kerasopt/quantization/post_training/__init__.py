"""Quantization without training."""

from kerasopt.quantization.post_training.post_training import quantize

__all__ = ["quantize"]
