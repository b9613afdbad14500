"""Pruning: which weights are zero, and how they are chosen."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.sparsity import criteria, patterns, regrowth, scopes
from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion
from kerasopt.sparsity.mask import Mask, masked_variables
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.masking import attach_masks
from kerasopt.sparsity.metric_guided import MetricGuided
from kerasopt.sparsity.patterns.pattern import PATTERNS, Pattern
from kerasopt.sparsity.regrowth.regrowth import REGROWTHS, Regrowth
from kerasopt.sparsity.scopes.scope import SCOPES, Scope
from kerasopt.sparsity.sensitivity_analysis import Sensitivity, sensitivity
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule
from kerasopt.sparsity.target import Target
from kerasopt.sparsity.technique import PruningTechnique
from kerasopt.sparsity.update import update_masks

_AXES = (CRITERIA, PATTERNS, REGROWTHS, SCOPES)

__all__ = [
    *(name for axis in _AXES for name in axis.classes),
    "Criterion",
    "Mask",
    "MaskedWeight",
    "MetricGuided",
    "Pattern",
    "PruningTechnique",
    "Regrowth",
    "Scope",
    "Sensitivity",
    "Target",
    "attach_masks",
    "criteria",
    "masked_variables",
    "patterns",
    "regrowth",
    "scopes",
    "sensitivity",
    "sparsity_schedule",
    "update_masks",
]


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, *_AXES)
