"""Quantization: formats, quantizers, observers and where they go."""

from kerasopt.quantization import activations, observers, specs, weights
from kerasopt.quantization.activations import (
    ActivationQuantizer,
    BinaryActivation,
    DoReFaActivation,
    DynamicQuantizer,
)
from kerasopt.quantization.cast import Cast
from kerasopt.quantization.formats import FloatFormat, Format
from kerasopt.quantization.observers import MinMax, MovingAverage, Observer
from kerasopt.quantization.placement import Site, is_quantizable, placement, wrap_operations
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.recipe import Recipe, make_recipe
from kerasopt.quantization.specs import Spec
from kerasopt.quantization.statistics import freeze_statistics
from kerasopt.quantization.weights import (
    BinaryWeight,
    DoReFaWeight,
    TernaryWeight,
    WeightQuantizer,
)

__all__ = [
    "ActivationQuantizer",
    "BinaryActivation",
    "BinaryWeight",
    "Cast",
    "DoReFaActivation",
    "DoReFaWeight",
    "DynamicQuantizer",
    "FloatFormat",
    "Format",
    "MinMax",
    "MovingAverage",
    "Observer",
    "Quantizer",
    "Recipe",
    "Site",
    "Spec",
    "TernaryWeight",
    "WeightQuantizer",
    "activations",
    "freeze_statistics",
    "is_quantizable",
    "make_recipe",
    "observers",
    "placement",
    "specs",
    "weights",
    "wrap_operations",
]
