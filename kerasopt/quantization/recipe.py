"""How the tensors of a layer are quantized: Spec × Quantizer × Observer."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerasopt import graph
from kerasopt.quantization import activations, observers, specs, weights
from kerasopt.quantization.activations import (
    ActivationQuantizer,
    BinaryActivation,
    DynamicQuantizer,
)
from kerasopt.quantization.cast import Cast
from kerasopt.quantization.formats import FloatFormat, Format, wider
from kerasopt.quantization.observers import Observer
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.specs import Spec
from kerasopt.quantization.weights import BinaryWeight, TernaryWeight, WeightQuantizer


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Creates the quantizers of layers.

    Args:
        spec: A `Spec`: the formats and their granularity.
        weights: A weight quantizer, the prototype of those of the layers; `None` for the default of
            the format.
        activations: The same for activations.
        observer: An `Observer`, the prototype of those of the activations.
    """

    spec: Spec
    weights: Quantizer | None = None
    activations: Quantizer | None = None
    observer: Observer = dataclasses.field(default_factory=observers.MovingAverage)

    def __post_init__(self):
        spec = self.spec
        if spec.dynamic and not isinstance(self.activations, (DynamicQuantizer, type(None))):
            raise ValueError(
                "`activation_quantizer` is not supported with a spec of dynamic ranges: do not "
                f"pass it. Received: spec={spec}, activation_quantizer={self.activations}"
            )
        if self.weights is None and spec.weights is not None:
            object.__setattr__(self, "weights", _default_of_weights(spec.weights))
        if self.activations is None and spec.activations is not None:
            object.__setattr__(self, "activations", _default_of_activations(spec))
        # Unsupported formats raise an error here.
        if spec.weights is not None:
            self._prototype_of_weights()
        if spec.activations is not None:
            self.activation()

    @property
    def is_static(self) -> bool:
        """Whether activations are rounded to integers of 2 bits or more with one scale."""
        format = self.spec.activations
        is_integer = isinstance(format, Format) and format.bits > 1
        return is_integer and not self.is_dynamic and self.activations is not None

    @property
    def is_dynamic(self) -> bool:
        """Whether activations are quantized dynamically."""
        return isinstance(self.activations, DynamicQuantizer)

    def at_least(self, bits: int) -> Recipe:
        """Returns a recipe with integers of at least `bits` bits, and the same quantizers.

        Raises:
            ValueError: If a quantizer does not support them.
        """
        spec = dataclasses.replace(
            self.spec,
            weights=wider(self.spec.weights, bits),
            activations=wider(self.spec.activations, bits),
        )
        return dataclasses.replace(self, spec=spec)

    def weight(
        self,
        layer: keras.Layer,
        name: str,
        layout: graph.KernelLayout | None = None,
        **options,
    ) -> Quantizer | None:
        """Returns a quantizer for the weight `name` of `layer`, or `None`.

        Args:
            layer: The layer.
            name: String.
            layout: The meaning of the axes of the weight. Defaults to that of a kernel.
            **options: Arguments of the quantizer.
        """
        if self.spec.weights is None:
            return None
        prototype = self._prototype_of_weights()
        if not isinstance(prototype, Cast):
            layout = layout or graph.kernel_layout(layer, name)
            options |= {"axis": None, "group": None}
            if self.spec.granularity != "tensor":
                options["axis"] = _channel_axes(layout, name)
            if isinstance(self.spec.granularity, int):
                options["group"] = _group(layer, name, layout, self.spec.granularity)
        return prototype.like(**options)

    def activation(
        self, range: tuple[float, float] | None = None, symmetric: bool = False, **options
    ) -> Quantizer | None:
        """Returns a quantizer for an activation, or `None`.

        Args:
            range: The range of the activation, if it is known in advance.
            symmetric: Whether the zero point must be 0.
            **options: Arguments of the quantizer.
        """
        if self.spec.activations is None or self.activations is None:
            return None
        format = self.spec.activations
        if symmetric and isinstance(format, Format):
            format = dataclasses.replace(format, symmetric=True)
        if range is not None and isinstance(self.activations, ActivationQuantizer):
            known = observers.KnownRange(*range)
            return ActivationQuantizer(format, observer=known, **options)
        if isinstance(self.activations, ActivationQuantizer):
            options["observer"] = self.observer.like()
        return self.activations.like(format=format, **options)

    def _prototype_of_weights(self):
        assert self.weights is not None
        return self.weights.like(format=self.spec.weights)


def make_recipe(
    spec, weight_quantizer=None, activation_quantizer=None, observer="moving_average"
) -> Recipe:
    """Returns the recipe for the arguments of a callback."""
    return Recipe(
        specs.get(spec),
        None if weight_quantizer is None else weights.get(weight_quantizer),
        None if activation_quantizer is None else activations.get(activation_quantizer),
        observers.get(observer),
    )


def make_rules(rules, *how) -> list[tuple[Any, Recipe | None]]:
    """Converts rules of specs to rules of recipes; `how` as in `make_recipe`."""
    return [
        (rule.selector, None if rule.argument is None else make_recipe(rule.argument, *how))
        for rule in graph.parse_rules(rules)
    ]


def channel_axes(layer: keras.layers.Layer, name: str) -> tuple[int, ...]:
    """Returns the axes of a weight along which every index has its own scale."""
    return _channel_axes(graph.kernel_layout(layer, name), name)


def _channel_axes(layout: graph.KernelLayout, name: str) -> tuple[int, ...]:
    # Embedding tables are read row by row.
    return layout.inputs if name == "embeddings" else layout.outputs


def _group(layer, name, layout, size):
    """Returns the axis of a weight that is divided into groups, with their size."""
    axes = layout.outputs if name == "embeddings" else layout.contracted
    if not axes:
        return None
    length = getattr(layer, name).shape[axes[-1]]
    if length % size:
        raise ValueError(
            f"Groups of {size} do not divide the {length} inputs of '{name}' of layer "
            f"'{layer.name}'. Choose another size, or give the layer a rule with another spec. "
            f"Received: granularity={size}"
        )
    return axes[-1], size


def _default_of_weights(format):
    if isinstance(format, FloatFormat):
        return Cast(format)
    few = {1: BinaryWeight, 2: TernaryWeight} if format.symmetric else {}
    return few.get(format.bits, WeightQuantizer)(format=format)


def _default_of_activations(spec):
    if isinstance(spec.activations, FloatFormat):
        return Cast(spec.activations)
    if spec.dynamic:
        return DynamicQuantizer(spec.activations, per=spec.dynamic)
    return BinaryActivation() if spec.activations.bits == 1 else ActivationQuantizer()
