"""Showing two models, or two files, tensor by tensor: where they agree, and where they part."""

from kerasopt.parity.compare import compare
from kerasopt.parity.report import ParityReport
from kerasopt.parity.tensor_parity import TensorParity

__all__ = ["ParityReport", "TensorParity", "compare"]
