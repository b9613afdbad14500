"""Statistics of a layer: size and computational cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import keras

from kerasopt.benchmarking.precision import input_bits
from kerasopt.benchmarking.weights import Weight, weights_of
from kerasopt.graph import layers, multiply_accumulates
from kerasopt.inference import InferenceLayer
from kerasopt.training.technique import techniques


@dataclass(frozen=True)
class LayerStatistics:
    """The size and computational cost of a layer.

    Attributes:
        path: String, the layer's path in the model (`"backbone/conv1"`).
        class_name: String, the layer's class.
        parameters: Integer, the number of values in its weights.
        kernel_parameters: Integer, the number of values in its kernels and embeddings.
        zeros: Integer, the number of `kernel_parameters` that the layer reads as zero.
        bits: Integer, the bit width of its kernels, from its quantizers or dtype; of its other
            weights if it has no kernel.
        bytes: Integer, the size of its weights at their bit widths, zeros included; in a converted
            model, in the storage format of its kernel.
        macs: Integer, multiply-accumulates for one example, zeros included; `None` if unknown.
        input_bits: Integer, the bit width of its input, from its quantizer or dtype.
        figures: Dict of figures of techniques, such as `"SQNR (dB)"`, the lowest ratio of signal to
            rounding noise of its kernels.
    """

    path: str
    class_name: str
    parameters: int
    kernel_parameters: int
    zeros: int
    bits: int
    bytes: int
    macs: int | None
    input_bits: int = 32
    figures: dict[str, float] = field(default_factory=dict)


def layer_statistics(model: keras.Model) -> list[LayerStatistics]:
    """Returns the statistics of each layer of `model` with weights, shared ones once."""
    macs, bits = multiply_accumulates(model), input_bits(model)
    return [
        _statistics(path, layer, weights, macs.get(id(layer)), bits.get(id(layer), 32))
        for path, layer in [*layers(model), (model.name, model)]
        if (weights := weights_of(layer))
    ]


def size_in_bytes(weights: Iterable[Weight]) -> int:
    """Returns the size of `weights` at their bit widths."""
    return math.ceil(sum(weight.size * weight.bits for weight in weights) / 8)


def _statistics(
    path: str, layer: keras.Layer, weights: list[Weight], macs: int | None, input_bits: int
) -> LayerStatistics:
    kernels = [weight for weight in weights if weight.is_kernel]
    return LayerStatistics(
        path=path,
        class_name=type(layer).__name__,
        parameters=sum(weight.size for weight in weights),
        kernel_parameters=sum(weight.size for weight in kernels),
        zeros=sum(weight.zeros for weight in kernels),
        bits=max(weight.bits for weight in kernels or weights),
        bytes=layer.bytes if isinstance(layer, InferenceLayer) else size_in_bytes(weights),
        macs=macs,
        input_bits=input_bits,
        figures={
            title: value
            for technique in techniques()
            for title, value in technique.figures(layer).items()
        },
    )
