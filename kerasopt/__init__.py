"""Makes Keras models small and fast while they train."""

from kerasopt import (
    callbacks,
    curriculum,
    distillation,
    layers,
    parametrization,
    quantization,
    schedules,
    sparsity,
    training,
)
from kerasopt.benchmarking import benchmark, summary
from kerasopt.exporters import export, save
from kerasopt.finalization import finalize
from kerasopt.lowering import convert
from kerasopt.parametrization import parametrize, unparametrize
from kerasopt.parity import compare
from kerasopt.quantization.post_training import quantize
from kerasopt.schedules.times import epochs

__version__ = "0.1.0"

__all__ = [
    "benchmark",
    "callbacks",
    "compare",
    "convert",
    "curriculum",
    "distillation",
    "epochs",
    "export",
    "finalize",
    "layers",
    "parametrization",
    "parametrize",
    "quantization",
    "quantize",
    "save",
    "schedules",
    "sparsity",
    "summary",
    "training",
    "unparametrize",
]
