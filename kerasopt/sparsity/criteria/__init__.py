"""Criteria: how important each weight is. Each criterion is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.sparsity.criteria.criterion import CRITERIA, Criterion

CRITERIA.load(__name__)

__all__ = ["Criterion", "get", "register", *CRITERIA.classes]

register = CRITERIA.register


def get(identifier) -> Criterion:
    """Returns a criterion, given an alias (`"magnitude"`), a config, a function or a criterion.

    A function takes the array of a weight, and returns scores of its shape.
    """
    if callable(identifier) and not isinstance(identifier, (Criterion, type)):
        return CRITERIA.classes["FunctionCriterion"](identifier)
    return CRITERIA.get(identifier)


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, CRITERIA)
