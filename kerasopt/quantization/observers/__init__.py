"""Observers: the ranges of activations. Each observer is a file in this package."""

from typing import Any

from kerasopt.axis import find_class
from kerasopt.quantization.observers.histogram import Histogram
from kerasopt.quantization.observers.observer import OBSERVERS, Observer

OBSERVERS.load(__name__)

__all__ = ["Histogram", "Observer", "get", "register", *OBSERVERS.classes]

get, register = OBSERVERS.get, OBSERVERS.register


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, OBSERVERS)
