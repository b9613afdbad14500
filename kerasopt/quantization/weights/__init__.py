"""Weight quantizers. Each quantizer is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer

WEIGHT_QUANTIZERS.load(__name__)

__all__ = ["WeightQuantizer", "get", "register", *WEIGHT_QUANTIZERS.classes]

get, register = WEIGHT_QUANTIZERS.get, WEIGHT_QUANTIZERS.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, WEIGHT_QUANTIZERS)
