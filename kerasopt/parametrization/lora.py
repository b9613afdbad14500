"""LoRA: Keras adds the product of two factors to a frozen weight, before the chain.

A layer with both reads `chain(weight + a @ b)`: the deployed sum is sparse or quantized, while `a`
and `b` train (Bondarenko et al. 2024, https://arxiv.org/abs/2406.06385).
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.keras_internals.layers import flattened
from kerasopt.keras_internals.variables import has_lora
from kerasopt.parametrization.links import links_by_slot
from kerasopt.parametrization.reading import own_weight, stored_variable


def adapted(layer: keras.Layer) -> str | None:
    """Returns the name of the weight that LoRA adapts, or `None`."""
    if not has_lora(layer):
        return None
    return "embeddings" if hasattr(layer, "embeddings") else "kernel"


def merge_lora(model: keras.Layer) -> None:
    """Merges LoRA into the weights of `model` and disables it."""
    for layer in flattened(model):
        name = adapted(layer)
        if name is not None:
            _merge(layer, name)


def _merge(layer: Any, name: str) -> None:
    variable: Any = stored_variable(layer, name)
    variable.assign(own_weight(layer, name))
    variable.trainable = True
    for factor in (f"lora_{name}_a", f"lora_{name}_b"):
        delattr(layer, factor)
    layer.lora_enabled = False
    layer.lora_rank = layer.lora_alpha = None


def set_own_weight(layer: keras.Layer, name: str, value) -> None:
    """Sets a weight to `value`, as the layer's own class reads it.

    Under LoRA, one of the factors becomes zero, as when LoRA was enabled.
    """
    if name == adapted(layer):
        factor = getattr(layer, f"lora_{name}_b")
        factor.assign(keras.ops.zeros(factor.shape))
    variable: Any = stored_variable(layer, name)
    variable.assign(value)


@contextlib.contextmanager
def without_lora(layer: keras.Layer, slots: tuple[str, ...]) -> Iterator[None]:
    """Temporarily lets `layer` read the weights `slots` without the product."""
    changed = adapted(layer) in slots
    if changed:
        layer.lora_enabled = False
    try:
        yield
    finally:
        if changed:
            layer.lora_enabled = True


def enable_lora(base: Any):
    """Returns the `enable_lora` method of a parametrized `base`."""

    @functools.wraps(base.enable_lora)
    def enable(self, rank, *args, **kwargs):
        if any(link.holds_weight for _, link in links_by_slot(self)):
            raise ValueError(
                f"The weight of layer '{self.name}' was packed into few bits by "
                "`kerasopt.convert`, so LoRA is not available. Enable LoRA before you convert. "
                f"Received: rank={rank}"
            )
        base.enable_lora(self, rank, *args, **kwargs)

    return enable
