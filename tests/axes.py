"""All axes, by the public module of their choices."""

import kerasopt as ko
from kerasopt.curriculum.pacings import PACINGS
from kerasopt.distillation.features import FEATURE_LOSSES
from kerasopt.distillation.losses import LOSSES
from kerasopt.quantization.activations import ACTIVATION_QUANTIZERS
from kerasopt.quantization.observers import OBSERVERS
from kerasopt.quantization.post_training.rounding import ROUNDINGS
from kerasopt.quantization.weights import WEIGHT_QUANTIZERS
from kerasopt.schedules import SCHEDULES
from kerasopt.sparsity.criteria import CRITERIA
from kerasopt.sparsity.patterns import PATTERNS
from kerasopt.sparsity.regrowth import REGROWTHS
from kerasopt.sparsity.scopes import SCOPES

AXES = {
    ko.curriculum: [PACINGS],
    ko.distillation: [LOSSES, FEATURE_LOSSES],
    ko.quantization: [ACTIVATION_QUANTIZERS, OBSERVERS, ROUNDINGS, WEIGHT_QUANTIZERS],
    ko.schedules: [SCHEDULES],
    ko.sparsity: [CRITERIA, PATTERNS, REGROWTHS, SCOPES],
}


def all_axes():
    return [axis for axes in AXES.values() for axis in axes]
