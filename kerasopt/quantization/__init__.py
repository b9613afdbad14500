"""Quantization: formats, quantizers, observers and where they go."""

from kerasopt.quantization.formats import Format, Spec
from kerasopt.quantization.observers import MovingAverage
from kerasopt.quantization.placement import (
    Site,
    channel_axes,
    is_quantizable,
    placement,
    wrap_operations,
)
from kerasopt.quantization.quantizers import ActivationQuantizer, Quantizer, WeightQuantizer
from kerasopt.quantization.statistics import freeze_statistics

__all__ = [
    "ActivationQuantizer",
    "Format",
    "MovingAverage",
    "Quantizer",
    "Site",
    "Spec",
    "WeightQuantizer",
    "channel_axes",
    "freeze_statistics",
    "is_quantizable",
    "placement",
    "wrap_operations",
]
