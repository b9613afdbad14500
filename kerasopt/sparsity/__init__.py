"""Pruning: which weights are zero, and how that is decided."""

from kerasopt.sparsity.criteria import Criterion, Magnitude
from kerasopt.sparsity.mask import Mask, masked_variables
from kerasopt.sparsity.optimizer_slots import optimizers_of, slots
from kerasopt.sparsity.scopes import GlobalScope, LayerScope, Scope
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule
from kerasopt.sparsity.update import update_masks

__all__ = [
    "Criterion",
    "GlobalScope",
    "LayerScope",
    "Magnitude",
    "Mask",
    "Scope",
    "masked_variables",
    "optimizers_of",
    "slots",
    "sparsity_schedule",
    "update_masks",
]
