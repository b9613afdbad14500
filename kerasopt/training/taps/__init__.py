"""Reads what parts of a model receive and return, in the compiled step, without changing it."""

from kerasopt.training.taps.finding import Place, everything, find
from kerasopt.training.taps.images import images_by_size
from kerasopt.training.taps.probes import Probes
from kerasopt.training.taps.sample import sample_of
from kerasopt.training.taps.tap import Tap, as_tap

__all__ = ["Place", "Probes", "Tap", "as_tap", "everything", "find", "images_by_size", "sample_of"]
