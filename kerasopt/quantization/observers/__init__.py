"""Observers: which range of values an activation has."""

from kerasopt.axis import resolve
from kerasopt.quantization.observers.min_max import MinMax
from kerasopt.quantization.observers.moving_average import MovingAverage
from kerasopt.quantization.observers.observer import Observer

__all__ = ["MinMax", "MovingAverage", "Observer", "get"]

ALIASES: dict[str, type] = {"minmax": MinMax, "moving_average": MovingAverage}


def get(identifier) -> Observer:
    """Returns an observer from its alias (such as `"minmax"`), its config or itself."""
    return resolve(identifier, Observer, ALIASES, "observer")
