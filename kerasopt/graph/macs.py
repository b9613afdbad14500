"""The multiply-accumulates of a model for one example."""

import contextlib
import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.graph import Graph
from kerasopt.graph.kernel_layout import TRANSPOSED
from kerasopt.graph.node import Edge, Node
from kerasopt.graph.opening.symbols import symbols
from kerasopt.graph.operations import is_reverse
from kerasopt.graph.products import multiply_accumulates_inside, multiply_accumulates_of
from kerasopt.graph.traversal import layers
from kerasopt.graph.weights import kernel_names

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Macs:
    """The multiply-accumulates of a model.

    Attributes:
        of_layers: Dict of the `id` of a layer to those with its kernels, or with its table.
        of_products: Dict of the `Node` of a product that is no layer's to its own.
    """

    of_layers: dict[int, int] = field(default_factory=dict)
    of_products: dict[Node, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One call of a layer, with the shapes of its input and its output."""

    layer: keras.Layer
    input_shape: Shape
    output_shape: Shape


def multiply_accumulates(graph: Graph, model: keras.Model, example: Any = None) -> Macs:
    """Counts the multiply-accumulates of a model for one example.

    They follow from the shapes in one run: those of every layer that applies a kernel at a number
    of positions (dense layers, convolutions, `EinsumDense`, integer layers), of embeddings that are
    called in reverse, and of products of two tensors, as attention has them, or of a tensor and a
    weight that is no kernel, also in nested models and custom layers. A layer that is called twice
    counts twice; zeros, and what a mask leaves out, count like other values. Recurrent cells, which
    run once per time step, and code that cannot be called on symbolic tensors are not counted.

    Args:
        graph: The `Graph` of the model.
        model: A built `keras.Model`.
        example: A batch of inputs, of which the first example is used. Defaults to one of the
            shape that the model was built for.

    Returns:
        `Macs`, empty if the shape of an example is unknown (a dimension is `None`, or a model
        without a graph has several arguments).
    """
    example = _zeros(graph, model) if example is None else _first(example)
    if example is None:
        return Macs()
    counted = [
        layer
        for _, layer in layers(model)
        if kernel_names(layer) and "recurrent_kernel" not in kernel_names(layer)
    ]
    found = Macs()
    with _recorded_calls(counted) as calls:
        if graph.nodes:
            _run(graph, example, found)
        else:
            model(example, training=False)
    of_layers = Counter(found.of_layers)
    for call in calls:
        of_layers[id(call.layer)] += _of_call(call)
    return Macs(dict(of_layers), found.of_products)


def _run(graph: Graph, example: Any, found: Macs) -> None:
    """Runs the calls of a graph, and adds those of its products."""
    values = graph.feed(example)
    readers = Counter(edge for node in graph for edge in node.inputs)
    for node in graph:
        if node.is_input:
            continue
        tensors = [values[edge] for edge in node.inputs]
        results = node.call(tensors)
        values.update(zip(node.outputs, results, strict=True))
        shapes = [tuple(x.shape) for x in tensors]
        count = multiply_accumulates_of(node, shapes)
        if count:
            found.of_products[node] = count
        layer: Any = node.operation
        inside = multiply_accumulates_inside(node, shapes)
        if is_reverse(node):
            inside = math.prod(shapes[0]) * layer.input_dim
        if inside:
            found.of_layers[id(layer)] = found.of_layers.get(id(layer), 0) + inside
        _forget(values, node, readers)


def _forget(values: dict[Edge, Any], node: Node, readers: Counter[Edge]) -> None:
    """Lets the tensors go that nothing reads after a node: scores of attention are large."""
    readers.subtract(node.inputs)
    for edge in (*node.inputs, *node.outputs):
        if not readers[edge]:
            values.pop(edge, None)


def _of_call(call: Call) -> int:
    total = 0
    for name in kernel_names(call.layer):
        kernel_shape = tuple(getattr(call.layer, name).shape)
        total += math.prod(kernel_shape) * _positions(call, kernel_shape)
    return total


def _positions(call: Call, kernel_shape: Shape) -> int:
    """Returns how often one call uses every value of a kernel."""
    layer = call.layer
    if isinstance(layer, keras.layers.EinsumDense):
        _, kernel_axes, output_axes = re.split(",|->", layer.equation.replace(" ", ""))
        sizes = zip(kernel_axes, kernel_shape, strict=True)
        channels = math.prod(size for axis, size in sizes if axis in output_axes)
        return math.prod(call.output_shape) // channels
    # A transposed convolution adds the kernel to its output once for every input.
    is_transposed = isinstance(layer, TRANSPOSED) or getattr(layer, "is_transposed", False)
    shape = call.input_shape if is_transposed else call.output_shape
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return math.prod(shape) // shape[1 if channels_first else -1]


def _zeros(graph: Graph, model: keras.Model) -> Any:
    """Returns one example of zeros for a model, or `None` if its shape is unknown."""
    functional = functional_of(model)
    if functional is not None:
        structure = functional.input
    else:
        try:
            given = symbols(model)
        except ValueError:
            return None
        structure = given.inputs if graph.nodes or not given.kwargs else None
    flat = keras.tree.flatten(structure)
    if structure is None or any(None in tensor.shape[1:] for tensor in flat):
        return None
    return keras.tree.map_structure(
        lambda x: keras.ops.zeros((1, *x.shape[1:]), dtype=x.dtype), structure
    )


def _first(example: Any) -> Any:
    return keras.tree.map_structure(lambda x: x[:1], example)


@contextlib.contextmanager
def _recorded_calls(layers: list[keras.Layer]) -> Iterator[list[Call]]:
    """Yields a list that receives every call of `layers` while the context is open."""
    calls: list[Call] = []
    # Under a quantized policy Keras calls another method of a layer.
    methods = [(layer, "quantized_call" if _is_quantized(layer) else "call") for layer in layers]
    for layer, method in methods:
        # Set on the object, bypassing Keras' attribute tracking, so that it can be removed
        # completely.
        vars(layer)[method] = _recording(layer, getattr(layer, method), calls)
    try:
        yield calls
    finally:
        for layer, method in methods:
            del vars(layer)[method]


def _recording(layer: keras.Layer, run: Callable[..., Any], calls: list[Call]) -> Callable:
    @functools.wraps(run)
    def run_and_record(inputs, *args, **kwargs):
        outputs = run(inputs, *args, **kwargs)
        first, result = (keras.tree.flatten(each)[0] for each in (inputs, outputs))
        calls.append(Call(layer, tuple(first.shape), tuple(result.shape)))
        return outputs

    return run_and_record


def _is_quantized(layer: keras.Layer) -> bool:
    return getattr(layer.dtype_policy, "quantization_mode", None) is not None
