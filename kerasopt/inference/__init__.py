"""Layers that only compute, the output of `kerasopt.convert`; `kerasopt.lowering.table` has all."""

from kerasopt.inference.affine import Affine
from kerasopt.inference.layer import InferenceLayer

__all__ = ["Affine", "InferenceLayer"]
