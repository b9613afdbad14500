"""Callbacks: a schedule moves a technique's state during `fit`."""

from kerasopt.callbacks.compression import Compression
from kerasopt.callbacks.pruning import Pruning
from kerasopt.callbacks.quantization_aware import QuantizationAware

__all__ = ["Compression", "Pruning", "QuantizationAware"]
