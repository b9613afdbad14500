"""From quantization-aware models to models of integer layers."""

from kerasopt.lowering.convert import convert

__all__ = ["convert"]
