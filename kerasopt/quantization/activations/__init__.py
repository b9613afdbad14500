"""Quantizers of activations."""

from kerasopt.axis import resolve
from kerasopt.quantization.activations.activation_quantizer import ActivationQuantizer
from kerasopt.quantization.activations.binary import BinaryActivation
from kerasopt.quantization.activations.dorefa import DoReFaActivation
from kerasopt.quantization.activations.dynamic import DynamicQuantizer
from kerasopt.quantization.activations.lsq import LSQActivation
from kerasopt.quantization.activations.pact import PACT
from kerasopt.quantization.quantizer import Quantizer

__all__ = [
    "ActivationQuantizer",
    "BinaryActivation",
    "DoReFaActivation",
    "DynamicQuantizer",
    "LSQActivation",
    "PACT",
    "get",
]

ALIASES: dict[str, type] = {
    "lsq": LSQActivation,
    "minmax": ActivationQuantizer,
    "dorefa": DoReFaActivation,
    "pact": PACT,
    "binary": BinaryActivation,
}


def get(identifier) -> Quantizer:
    """Returns a quantizer of activations from its alias (as `"minmax"`), its config or itself."""
    return resolve(identifier, Quantizer, ALIASES, "activation_quantizer")
