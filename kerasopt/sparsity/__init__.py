"""Pruning: which weights are zero, and how that is decided."""

from kerasopt.sparsity import criteria, patterns, regrowth, scopes
from kerasopt.sparsity.criteria import Criterion, Magnitude, Movement, Random, Saliency, Wanda
from kerasopt.sparsity.mask import Mask, masked_variables
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.masking import attach_masks
from kerasopt.sparsity.metric_guided import MetricGuided
from kerasopt.sparsity.patterns import (
    NM,
    Block,
    Channel,
    Element,
    Filter,
    Head,
    Kernel,
    Pattern,
)
from kerasopt.sparsity.regrowth import SET, Regrowth, RigL, StraightThrough
from kerasopt.sparsity.scopes import LAMP, ErdosRenyiKernel, GlobalScope, LayerScope, Scope
from kerasopt.sparsity.sensitivity_analysis import Sensitivity, sensitivity
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule
from kerasopt.sparsity.target import Target
from kerasopt.sparsity.technique import PruningTechnique
from kerasopt.sparsity.update import update_masks

__all__ = [
    "LAMP",
    "NM",
    "SET",
    "Block",
    "Channel",
    "Criterion",
    "Element",
    "ErdosRenyiKernel",
    "Filter",
    "GlobalScope",
    "Head",
    "Kernel",
    "LayerScope",
    "Magnitude",
    "Mask",
    "MaskedWeight",
    "MetricGuided",
    "Movement",
    "Pattern",
    "PruningTechnique",
    "Random",
    "Regrowth",
    "RigL",
    "Saliency",
    "Scope",
    "Sensitivity",
    "StraightThrough",
    "Target",
    "Wanda",
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
