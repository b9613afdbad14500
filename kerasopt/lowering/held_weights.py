"""Layers that stay float, with weights in few bits."""

from __future__ import annotations

import keras

from kerasopt.graph import layers
from kerasopt.parametrization import ACTIVATION_SLOTS, parametrize, read_until
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
        for slot, links in getattr(layer, "parametrizations", {}).items():
            quantizer = links[-1]
            is_weight = isinstance(quantizer, Quantizer) and slot not in ACTIVATION_SLOTS
            # A layer that is called twice is met twice.
            if not is_weight or slot in getattr(target, "slots", ()) or not holds(quantizer):
                continue
            weight = read_until(layer, slot, quantizer)
            parametrize(plain, f"{path}/{slot}".lstrip("/"), held_weight(quantizer, weight))
