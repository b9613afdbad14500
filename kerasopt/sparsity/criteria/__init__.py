"""Criteria: how much each weight matters."""

import functools
from typing import Any

from kerasopt.axis import resolve
from kerasopt.sparsity.criteria.criterion import Criterion
from kerasopt.sparsity.criteria.function import FunctionCriterion
from kerasopt.sparsity.criteria.gradients import Movement, Saliency
from kerasopt.sparsity.criteria.magnitude import Magnitude
from kerasopt.sparsity.criteria.random import Random
from kerasopt.sparsity.criteria.wanda import Wanda

__all__ = [
    "Criterion",
    "FunctionCriterion",
    "Magnitude",
    "Movement",
    "Random",
    "Saliency",
    "Wanda",
    "get",
]

ALIASES: dict[str, Any] = {
    "l1": Magnitude,
    "l2": functools.partial(Magnitude, order=2),
    "magnitude": Magnitude,
    "movement": Movement,
    "random": Random,
    "saliency": Saliency,
    "wanda": Wanda,
}


def get(identifier) -> Criterion:
    """Returns a criterion from its alias, its config, a function or itself.

    The aliases are `"magnitude"`, `"l1"`, `"l2"`, `"random"`, `"saliency"`,
    `"movement"` and `"wanda"`.
    """
    if callable(identifier) and not isinstance(identifier, (Criterion, type)):
        return FunctionCriterion(identifier)
    return resolve(identifier, Criterion, ALIASES, "criterion")
