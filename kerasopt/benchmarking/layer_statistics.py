"""What one layer weighs and costs."""

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
    """What one layer of a model weighs and costs.

    Attributes:
        path: String, the layer's path in the model (`"backbone/conv1"`).
        class_name: String, the layer's class.
        parameters: Integer, values in its weights.
        kernel_parameters: Integer, those of them that are in kernels and embeddings.
        zeros: Integer, values of `kernel_parameters` that the layer reads as zero.
        bits: Integer, bits of one value of its kernels, as its quantizers or the dtype say; of
            its other weights, if it has no kernel.
        bytes: Integer, bytes that its weights take at their bits, zeros included; in a converted
            model, in the format that its kernel is stored in.
        macs: Integer, multiply-accumulates for one example, zeros included; `None` where they
            are not known.
        input_bits: Integer, bits of one value that it reads: those of the quantizer that its input
            has passed, or of the dtype.
        figures: Dict of what techniques tell of the layer, such as `"SQNR (dB)"`, the ratio of
            signal to rounding noise of its kernel with the lowest.
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
    """Lists what each layer of `model` that has weights weighs and costs, shared ones once."""
    macs, bits = multiply_accumulates(model), input_bits(model)
    return [
        _statistics(path, layer, weights, macs.get(id(layer)), bits.get(id(layer), 32))
        for path, layer in [*layers(model), (model.name, model)]
        if (weights := weights_of(layer))
    ]


def size_in_bytes(weights: Iterable[Weight]) -> int:
    """Returns the bytes that `weights` take when each value takes its bits."""
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
