"""Layers that stay float, with weights in few bits."""

from __future__ import annotations

import keras

from kerasopt.graph import layers, slots_of
from kerasopt.parametrization import (
    ACTIVATION_SLOTS,
    links_by_slot,
    parametrize,
    read_until,
)
from kerasopt.quantization import Quantizer
from kerasopt.quantization.weights import held_weight, holds


def hold_weights(source: keras.Layer, plain: keras.Layer) -> None:
    """Lets a layer hold the weights in few bits that its source rounds to them.

    Args:
        source: A layer with quantizers, or with layers inside that have.
        plain: A layer of the same structure without any.
    """
    inner = dict(layers(plain))
    for path, layer in [("", source), *layers(source)]:
        target = inner.get(path, plain)
        for slot, quantizer in links_by_slot(layer, Quantizer):
            # A layer that is called twice is met twice.
            if slot in (*ACTIVATION_SLOTS, *slots_of(target)) or not holds(quantizer):
                continue
            weight = read_until(layer, slot, quantizer)
            parametrize(plain, f"{path}/{slot}".lstrip("/"), held_weight(quantizer, weight))
