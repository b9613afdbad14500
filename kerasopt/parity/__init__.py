"""Compares two models or files tensor by tensor."""

from kerasopt.parity.compare import compare
from kerasopt.parity.report import ParityReport
from kerasopt.parity.tensor_parity import TensorParity

__all__ = ["ParityReport", "TensorParity", "compare"]
