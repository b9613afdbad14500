"""Losses between features of a student and a teacher. Each loss is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss

FEATURE_LOSSES.load(__name__)

__all__ = ["FEATURE_LOSSES", "FeatureLoss", "register", *FEATURE_LOSSES.classes]

register = FEATURE_LOSSES.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, FEATURE_LOSSES)
