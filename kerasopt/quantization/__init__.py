"""Quantization: formats, quantizers, observers and their placement."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.quantization import activations, observers, specs, weights
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.cast import Cast
from kerasopt.quantization.float_parts import MASKED, float_parts
from kerasopt.quantization.formats import FloatFormat, Format, wider
from kerasopt.quantization.loop import attach_quantizers, freeze_ranges, start_rounding
from kerasopt.quantization.measurement import (
    RoundingError,
    RoundingErrors,
    measure,
    measure_weight,
)
from kerasopt.quantization.mixed_precision import Widths, WidthSensitivity, width_sensitivity
from kerasopt.quantization.observers.observer import OBSERVERS, Observer
from kerasopt.quantization.placement import find_sites
from kerasopt.quantization.post_training import AdaRound, Nearest, Rounding
from kerasopt.quantization.progression import Progression
from kerasopt.quantization.quantizer import ACTIVATION_QUANTIZERS, Quantizer
from kerasopt.quantization.recipe import Recipe, make_recipe, make_rules
from kerasopt.quantization.site import Site
from kerasopt.quantization.specs import Spec
from kerasopt.quantization.statistics import freeze_statistics, reestimate_statistics
from kerasopt.quantization.technique import QuantizationTechnique
from kerasopt.quantization.values_seen import warn_of_values, why_without_range
from kerasopt.quantization.weights.weight_quantizer import WEIGHT_QUANTIZERS, WeightQuantizer

_AXES = (ACTIVATION_QUANTIZERS, OBSERVERS, WEIGHT_QUANTIZERS)

__all__ = [
    *(name for axis in _AXES for name in axis.classes),
    "MASKED",
    "ActivationQuantizer",
    "AdaRound",
    "Cast",
    "FloatFormat",
    "Format",
    "Nearest",
    "Observer",
    "Progression",
    "QuantizationTechnique",
    "Quantizer",
    "Recipe",
    "Rounding",
    "RoundingError",
    "RoundingErrors",
    "Site",
    "Spec",
    "WeightQuantizer",
    "WidthSensitivity",
    "Widths",
    "activations",
    "attach_quantizers",
    "find_sites",
    "float_parts",
    "freeze_ranges",
    "freeze_statistics",
    "make_recipe",
    "make_rules",
    "measure",
    "measure_weight",
    "observers",
    "reestimate_statistics",
    "specs",
    "start_rounding",
    "warn_of_values",
    "weights",
    "why_without_range",
    "wider",
    "width_sensitivity",
]


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, *_AXES)
