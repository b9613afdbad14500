"""Statistics of a layer or a product: size and computational cost."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import keras

from kerasopt.benchmarking.precision import Precisions
from kerasopt.benchmarking.weights import Weight, bits_of, weights_of
from kerasopt.graph import Graph, Node, layers, multiply_accumulates, unwrap
from kerasopt.inference import InferenceLayer
from kerasopt.training.technique import techniques


@dataclass(frozen=True)
class LayerStatistics:
    """The size and computational cost of a layer, or of a product of two tensors.

    Attributes:
        path: String, the layer's path in the model (`"backbone/conv1"`).
        class_name: String, the class of the layer or of the operation.
        parameters: Integer, the number of values in its weights.
        kernel_parameters: Integer, the number of values in its kernels and embeddings.
        zeros: Integer, the number of `kernel_parameters` that the layer reads as zero.
        bits: Integer, the bit width of its kernels, from its quantizers or dtype; of its other
            weights if it has no kernel; of a product, that of its second factor.
        bytes: Integer, the size of its weights at their bit widths, zeros included; in a converted
            model, in the storage format of its kernel.
        macs: Integer, multiply-accumulates for one example, zeros included; `None` if unknown.
        input_bits: Integer, the bit width of its input, from its quantizer or dtype; of a product,
            that of its first factor.
        is_integer: Boolean, whether both are integers.
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
    is_integer: bool = False
    figures: dict[str, float] = field(default_factory=dict)


def layer_statistics(model: keras.Model, example: Any = None) -> list[LayerStatistics]:
    """Returns the statistics of each layer with weights, shared ones once, and of each product.

    Args:
        model: A built `keras.Model`.
        example: As in `kerasopt.graph.multiply_accumulates`.
    """
    graph = Graph.of(model)
    macs, precisions = multiply_accumulates(graph, model, example), Precisions(graph, model)
    found = [
        _of_layer(path, layer, weights, macs.of_layers.get(id(layer)), precisions.of_input(layer))
        for path, layer in [*layers(model), (model.name, model)]
        if (weights := weights_of(layer))
    ]
    # A block that is called twice has its products twice.
    products: dict[str, LayerStatistics] = {}
    for node, count in macs.of_products.items():
        count += products[node.path].macs or 0 if node.path in products else 0
        products[node.path] = _of_product(node, count, precisions.of_factors(node))
    return [*found, *products.values()]


def size_in_bytes(weights: Iterable[Weight]) -> int:
    """Returns the size of `weights` at their bit widths."""
    return math.ceil(sum(weight.size * weight.bits for weight in weights) / 8)


def _of_layer(
    path: str, layer: keras.Layer, weights: list[Weight], macs: int | None, rounded: int | None
) -> LayerStatistics:
    kernels = [weight for weight in weights if weight.is_kernel]
    bits = max(weight.bits for weight in kernels or weights)
    return LayerStatistics(
        path=path,
        class_name=type(layer).__name__,
        parameters=sum(weight.size for weight in weights),
        kernel_parameters=sum(weight.size for weight in kernels),
        zeros=sum(weight.zeros for weight in kernels),
        bits=bits,
        bytes=layer.bytes if isinstance(layer, InferenceLayer) else size_in_bytes(weights),
        macs=macs,
        input_bits=rounded or bits_of(layer.compute_dtype or "float32"),
        is_integer=rounded is not None and bits <= 8,
        figures={
            title: value
            for technique in techniques()
            for title, value in technique.figures(layer).items()
        },
    )


def _of_product(node: Node, macs: int, rounded: tuple[int | None, ...]) -> LayerStatistics:
    is_integer = bool(rounded) and None not in rounded
    width = bits_of(node.outputs[0].tensor.dtype)
    first, second = (bits or width for bits in rounded or (None, None))
    return LayerStatistics(
        path=node.path,
        class_name=type(unwrap(node.operation)).__name__,
        parameters=0,
        kernel_parameters=0,
        zeros=0,
        bits=second,
        bytes=0,
        macs=macs,
        input_bits=first,
        is_integer=is_integer,
    )
