"""The multiply-accumulates of the layers of a model for one example."""

import contextlib
import functools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.graph.functional import functional_of
from kerasopt.graph.kernel_layout import TRANSPOSED
from kerasopt.graph.traversal import layers
from kerasopt.graph.weights import kernel_names
from kerasopt.keras_internals.graphs import functional_in

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer, with the shapes of its input and its output."""

    layer: keras.Layer
    input_shape: Shape
    output_shape: Shape


def multiply_accumulates(model: keras.Model) -> dict[int, int]:
    """Counts the multiply-accumulates of every layer that has a kernel, for one example.

    They follow from the shape of the kernel and the shapes in one run of the model, so they are
    known for every layer that applies a kernel at a number of positions: dense layers,
    convolutions, `EinsumDense` and integer layers, also in nested and subclassed models. A layer
    that is called twice counts twice, and zeros count like other values. Products without a kernel
    (attention scores) and recurrent cells, which run once per time step, are not counted.

    Args:
        model: A built `keras.Model`.

    Returns:
        Dict of the `id` of a layer to its multiply-accumulates. Empty if the shape of an example is
        unknown (a dimension is `None`, or a subclassed model has several inputs).
    """
    example = _example(model)
    if example is None:
        return {}
    counted = [
        layer
        for _, layer in layers(model)
        if kernel_names(layer) and "recurrent_kernel" not in kernel_names(layer)
    ]
    counts: dict[int, int] = {}
    with _recorded_calls(counted) as calls:
        model(example, training=False)
    for call in calls:
        counts[id(call.layer)] = counts.get(id(call.layer), 0) + _of_call(call)
    return counts


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


def _example(model: keras.Model) -> Any:
    """Returns one example of zeros for `model`, or `None` if its shape is unknown."""
    recorded = functional_of(model) or functional_in(model) or model
    if getattr(recorded, "inputs", None):
        structure = recorded.input
    else:
        shape = (model.get_build_config() or {}).get("input_shape")
        if not shape or not all(isinstance(size, int | None) for size in shape):
            return None
        structure = keras.KerasTensor(shape, dtype=model.input_dtype)
    if any(None in tensor.shape[1:] for tensor in keras.tree.flatten(structure)):
        return None
    return keras.tree.map_structure(
        lambda tensor: keras.ops.zeros((1, *tensor.shape[1:]), dtype=tensor.dtype), structure
    )


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
        calls.append(Call(layer, tuple(inputs.shape), tuple(outputs.shape)))
        return outputs

    return run_and_record


def _is_quantized(layer: keras.Layer) -> bool:
    return getattr(layer.dtype_policy, "quantization_mode", None) is not None
