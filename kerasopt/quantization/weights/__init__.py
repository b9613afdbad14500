"""Quantizers of weights, and weights that are held in few bits. A quantizer is a file beside."""

<<<<<<< HEAD
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
=======
from typing import Any

from kerasopt.axis import find_class
from kerasopt.quantization.weights.held import HalfWeight, IntegerWeight, held_weight, holds
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer

WEIGHT_QUANTIZERS.load(__name__)

__all__ = [
    "HalfWeight",
>>>>>>> 4fa6e42 (Aliases stand on the classes; a choice along an axis is one file)
    "WeightQuantizer",
    "IntegerWeight",
    "get",
<<<<<<< HEAD
=======
    "held_weight",
    "holds",
    "register",
    *WEIGHT_QUANTIZERS.classes,
>>>>>>> 4fa6e42 (Aliases stand on the classes; a choice along an axis is one file)
]

get, register = WEIGHT_QUANTIZERS.get, WEIGHT_QUANTIZERS.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, WEIGHT_QUANTIZERS)
