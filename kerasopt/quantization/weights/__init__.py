"""Quantizers of weights."""

from kerasopt.axis import resolve
from kerasopt.quantization.weights.binary import BinaryWeight
from kerasopt.quantization.weights.dorefa import DoReFaWeight
from kerasopt.quantization.weights.lsq import LSQWeight
from kerasopt.quantization.weights.ternary import TernaryWeight
from kerasopt.quantization.weights.weight_quantizer import WeightQuantizer

__all__ = [
    "BinaryWeight",
    "DoReFaWeight",
    "LSQWeight",
    "TernaryWeight",
    "WeightQuantizer",
    "get",
]

ALIASES: dict[str, type] = {
    "lsq": LSQWeight,
    "minmax": WeightQuantizer,
    "dorefa": DoReFaWeight,
    "ternary": TernaryWeight,
    "binary": BinaryWeight,
}


def get(identifier) -> WeightQuantizer:
    """Returns a quantizer of weights from its alias (such as `"minmax"`), its config or itself."""
    return resolve(identifier, WeightQuantizer, ALIASES, "weight_quantizer")
