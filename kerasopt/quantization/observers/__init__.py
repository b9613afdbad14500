"""Observers: which range of values an activation has."""

from kerasopt.axis import resolve
from kerasopt.quantization.observers.histogram import Histogram
from kerasopt.quantization.observers.known_range import KnownRange
from kerasopt.quantization.observers.kullback_leibler import KullbackLeibler
from kerasopt.quantization.observers.mean_squared_error import MeanSquaredError
from kerasopt.quantization.observers.min_max import MinMax
from kerasopt.quantization.observers.moving_average import MovingAverage
from kerasopt.quantization.observers.observer import Observer
from kerasopt.quantization.observers.percentile import Percentile

__all__ = [
    "Histogram",
    "KnownRange",
    "KullbackLeibler",
    "MeanSquaredError",
    "MinMax",
    "MovingAverage",
    "Observer",
    "Percentile",
    "get",
]

ALIASES: dict[str, type] = {
    "minmax": MinMax,
    "moving_average": MovingAverage,
    "percentile": Percentile,
    "mse": MeanSquaredError,
    "kl": KullbackLeibler,
}


def get(identifier) -> Observer:
    """Returns an observer from its alias (such as `"minmax"`), its config or itself."""
    return resolve(identifier, Observer, ALIASES, "observer")
