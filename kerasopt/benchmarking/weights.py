"""The weights of a layer, as the layer reads them."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from kerasopt.graph import own_variables, slots_of, weight_names
from kerasopt.inference import InferenceLayer
from kerasopt.parametrization import ACTIVATION_SLOTS, links_of

# The only kernels of inference layers.
_MULTIPLIED = ("kernel", "embeddings")


@dataclass(frozen=True)
class Weight:
    """A weight of a layer.

    Attributes:
        variable: The variable as the layer reads it, through its chain if it has one; or the packed
            weight of an inference layer.
        bits: Integer, the bit width, from its quantizer or dtype.
        is_kernel: Boolean, whether it is a kernel or an embedding table.
    """

    variable: Any
    bits: int
    is_kernel: bool

    @cached_property
    def size(self) -> int:
        return int(np.prod(self.variable.shape))

    @cached_property
    def zeros(self) -> int:
        return self.size - int(np.count_nonzero(self.variable.numpy()))


def weights_of(layer: keras.Layer) -> list[Weight]:
    """Returns the layer's own weights, without those of inner layers."""
    if isinstance(layer, InferenceLayer):
        return [
            Weight(part, getattr(part, "bits", bits_of(part.dtype)), name in _MULTIPLIED)
            for name, part in layer.parts.items()
        ]
    chains = {
        id(getattr(layer, slot).stored): (getattr(layer, slot), slot)
        for slot in slots_of(layer)
        if slot not in ACTIVATION_SLOTS
    }
    kernels = {id(_stored(getattr(layer, name, None))) for name in weight_names(layer)}
    weights = []
    for stored in own_variables(layer):
        variable, slot = chains.get(id(stored), (stored, ""))
        widths = [link.bits for link in links_of(layer, slot) if hasattr(link, "bits")]
        bits = widths[0] if widths else bits_of(stored.dtype)
        weights.append(Weight(variable, bits, id(stored) in kernels))
    return weights


def bits_of(dtype: str) -> int:
    """Returns the number of bits of a value of `dtype` in memory."""
    digits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))
    return int(digits.group()) if digits else 8  # a boolean takes a byte


def _stored(variable: keras.Variable | None) -> keras.Variable | None:
    return getattr(variable, "stored", variable)
