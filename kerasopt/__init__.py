"""Making Keras models small and fast while they train."""

from kerasopt import callbacks, layers, parametrization, quantization, schedules, sparsity
from kerasopt.parametrization import finalize, parametrize, unparametrize
from kerasopt.schedules import epochs

__version__ = "0.1.0"

__all__ = [
    "callbacks",
    "epochs",
    "finalize",
    "layers",
    "parametrization",
    "parametrize",
    "quantization",
    "schedules",
    "sparsity",
    "unparametrize",
]
