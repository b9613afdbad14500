"""The weights of a layer, as the layer reads them."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np

from kerasopt.graph import own_variables, weight_names
from kerasopt.inference import PackedPart
from kerasopt.parametrization import ACTIVATION_SLOTS
from kerasopt.quantization import Quantizer, RoundingError, measure_weight


@dataclass(frozen=True)
class Weight:
    """A weight of a layer.

    Attributes:
        variable: The variable as the layer reads it, through its chain if it has one; or a part of
            a packed one.
        bits: Integer, bits of one value: those of its quantizer, or of its dtype.
        is_kernel: Boolean, whether it is what the layer multiplies its input with, or the rows of
            an embedding.
        rounding: Measures what its quantizer changes; `None` if it has none at work.
    """

    variable: Any
    bits: int
    is_kernel: bool
    rounding: Callable[[], RoundingError] | None = None

    @cached_property
    def size(self) -> int:
        return int(np.prod(self.variable.shape))

    @cached_property
    def zeros(self) -> int:
        return self.size - int(np.count_nonzero(self.variable.numpy()))


def weights_of(layer: keras.Layer) -> list[Weight]:
    """Lists the layer's own weights, without those of inner layers."""
    chains = {
        id(getattr(layer, slot).stored): (getattr(layer, slot), slot, links)
        for slot, links in getattr(layer, "parametrizations", {}).items()
        if slot not in ACTIVATION_SLOTS
    }
    # The table of an embedding of integers is no kernel that can be compressed.
    names = (*weight_names(layer), "embeddings")
    kernels = {id(_stored(getattr(layer, name, None))) for name in names}
    packed = getattr(layer, "packed", None)
    weights = []
    for stored in own_variables(layer):
        if packed is not None and stored is packed.values:
            parts = [PackedPart(packed, index) for index in range(3)]
            kernel, *words = parts
            bits = 1 if packed.format == "binary" else bits_of(kernel.dtype)
            weights.append(Weight(kernel, bits, is_kernel=True))
            weights += [Weight(part, bits_of(part.dtype), is_kernel=False) for part in words]
            continue
        variable, slot, links = chains.get(id(stored), (stored, "", []))
        quantizer = next((link for link in links if isinstance(link, Quantizer)), None)
        bits = next((link.bits for link in links if hasattr(link, "bits")), bits_of(stored.dtype))
        rounding = None
        if quantizer is not None and quantizer.is_enabled:
            rounding = functools.partial(measure_weight, layer, slot, quantizer)
        weights.append(Weight(variable, bits, id(stored) in kernels, rounding))
    return weights


def bits_of(dtype: str) -> int:
    """Returns the bits that one value of `dtype` takes in memory."""
    digits = re.search(r"\d+", keras.backend.standardize_dtype(dtype))
    return int(digits.group()) if digits else 8  # a boolean takes a byte


def _stored(variable: keras.Variable | None) -> keras.Variable | None:
    return getattr(variable, "stored", variable)
