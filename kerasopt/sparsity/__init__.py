"""Pruning: which weights are zero, and how that is decided."""

from kerasopt.sparsity import criteria, patterns, regrowth, scopes
from kerasopt.sparsity.criteria import Criterion, Magnitude, Movement, Random, Saliency, Wanda
from kerasopt.sparsity.guided_sparsity import GuidedSparsity
from kerasopt.sparsity.mask import Mask, masked_variables
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.masking import attach_masks, make_targets, select_layers
from kerasopt.sparsity.metric_guided import MetricGuided
from kerasopt.sparsity.metric_search import MetricSearch
from kerasopt.sparsity.optimizer_slots import optimizers_of, slots
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
from kerasopt.sparsity.plan import Plan
from kerasopt.sparsity.regrowth import SET, Regrowth, RigL, StraightThrough
from kerasopt.sparsity.rewinding import Rewinding
from kerasopt.sparsity.scopes import LAMP, ErdosRenyiKernel, GlobalScope, LayerScope, Scope
from kerasopt.sparsity.sensitivity_analysis import Sensitivity, sensitivity
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule
from kerasopt.sparsity.target import Target
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
    "GuidedSparsity",
    "Head",
    "Kernel",
    "LayerScope",
    "Magnitude",
    "Mask",
    "MaskedWeight",
    "MetricGuided",
    "MetricSearch",
    "Movement",
    "Pattern",
    "Plan",
    "Random",
    "Regrowth",
    "Rewinding",
    "RigL",
    "Saliency",
    "Scope",
    "Sensitivity",
    "StraightThrough",
    "Target",
    "Wanda",
    "attach_masks",
    "criteria",
    "make_targets",
    "masked_variables",
    "optimizers_of",
    "patterns",
    "regrowth",
    "scopes",
    "select_layers",
    "sensitivity",
    "slots",
    "sparsity_schedule",
    "update_masks",
]
