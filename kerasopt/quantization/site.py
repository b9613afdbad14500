"""A place in a model that gets a quantizer."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import keras

from kerasopt import graph
from kerasopt.parametrization import ACTIVATION_SLOTS, links_of, read_until
from kerasopt.quantization.activations import BinaryActivation
from kerasopt.quantization.formats import wider
from kerasopt.quantization.quantizer import Quantizer


class Site(NamedTuple):
    """A slot, of the layer at `path` in the model, that gets a quantizer."""

    path: str
    layer: keras.layers.Layer
    slot: str
    quantizer: Quantizer

    @property
    def is_constant(self) -> bool:
        """Whether it takes the sign of values that are never negative."""
        if self.slot != "output" or not isinstance(self.quantizer, BinaryActivation):
            return False
        bounds = graph.clamp_bounds(self.layer) or graph.activation_bounds(self.layer)
        return bounds is not None and bounds[0] >= 0

    def enable(self) -> None:
        """Enables the attached quantizer."""
        quantizer = self.quantizer
        quantizer.settle(self._value())
        quantizer.settled_bits.assign(quantizer.bits)
        quantizer.enabled.assign(True)

    def set_format(self, format) -> bool:
        """Sets the format of the attached quantizer; returns whether it has changed."""
        quantizer = self.quantizer
        settled, before = int(quantizer.settled_bits.numpy()), quantizer.format
        if settled not in (0, format.bits):
            # Learned state belongs to that width, whatever the format when a file was loaded.
            quantizer.format = dataclasses.replace(format, bits=settled)
            quantizer.change_width(format, self._value())
            quantizer.settled_bits.assign(format.bits)
        quantizer.format = format
        return before != format

    def check_free(self, widths: Iterable[int]) -> None:
        """Raises `ValueError` if the slot has a quantizer that rounds differently.

        Args:
            widths: Bit widths that it may have, if wider than the new one.
        """
        mode = getattr(self.layer, "quantization_mode", None)
        if mode is not None:
            raise ValueError(
                f"'{self.path}' is already quantized by Keras' `quantize`. Use the model from "
                f"before that, or exclude the layer with a rule ({self.path!r}, None). Received: a "
                f"layer with quantization_mode={mode!r}"
            )
        format = self.quantizer.format
        for link in links_of(self.layer, self.slot, Quantizer):
            if not any(
                link.equals(self.quantizer.like(format=wider(format, bits))) for bits in widths
            ):
                raise ValueError(
                    f"'{self.path}/{self.slot}' is already quantized by {link.described()}. Pass "
                    f"the same quantization, exclude the layer with a rule ({self.path!r}, None), "
                    "or call `kerasopt.finalize(model)` first. Received: "
                    f"{self.quantizer.described()}"
                )

    def _value(self):
        """Returns the input of a weight quantizer."""
        if self.slot in ACTIVATION_SLOTS:
            return None
        return read_until(self.layer, self.slot, self.quantizer)


def weight_sites(path: str, layer, recipe) -> Iterator[Site]:
    """Yields the sites of the weights of a layer that a recipe quantizes."""
    for name in graph.weight_names(layer):
        quantizer = recipe.weight(layer, name)
        if quantizer is not None:
            yield Site(path, layer, name, quantizer)


def activation_site(path: str, layer, slot: str, recipe, **options) -> Iterator[Site]:
    """Yields the site of an activation of a layer, if a recipe quantizes it."""
    axes = graph.product_axes(layer) if recipe.is_dynamic and slot == "input" else None
    if axes is not None:
        options["axes"] = axes[1] - axes[0]  # what is summed over is a row
    quantizer = recipe.activation(**options)
    if quantizer is not None:
        yield Site(path, layer, slot, quantizer)
