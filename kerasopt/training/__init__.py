"""The engine of `fit`: clock, attaching, loss terms, taps, state, resuming."""

from kerasopt.training.clock import Clock
from kerasopt.training.declaring import declaring_parts
from kerasopt.training.run import Run
from kerasopt.training.taps import Tap
from kerasopt.training.technique import Summaries, Technique, register_technique, techniques

__all__ = [
    "Clock",
    "Run",
    "Summaries",
    "Tap",
    "Technique",
    "declaring_parts",
    "register_technique",
    "techniques",
]
