"""Activation quantizers. Each quantizer is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.quantization.activations.activation_quantizer import ActivationQuantizer
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS

ACTIVATION_QUANTIZERS.load(__name__)

__all__ = ["ActivationQuantizer", "get", "register", *ACTIVATION_QUANTIZERS.classes]

get, register = ACTIVATION_QUANTIZERS.get, ACTIVATION_QUANTIZERS.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, ACTIVATION_QUANTIZERS)
