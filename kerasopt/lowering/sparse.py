"""Layers with sparse kernels where those are faster, as measured on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.sparse import SparseConv2D, SparseDense
from kerasopt.keras_internals.printing import print_msg
from kerasopt.ops import native
from kerasopt.table import format_table

_CALLS = 8  # of a layer in one call of a function, which takes time of its own
_ROUNDS, _SECONDS = 9, 0.01
# A kernel with a larger share of stored weights is not faster: nothing is measured.
_LARGEST_SHARE = 0.75
_FLOATS: dict[type, Any] = {keras.layers.Dense: SparseDense, keras.layers.Conv2D: SparseConv2D}


class Choice(NamedTuple):
    """What was measured of a layer, in seconds."""

    name: str
    stored: float  # the share of the weights
    dense: float
    sparse: float


def choose_sparse(model: keras.Model, batch_size: int) -> keras.Model:
    """Returns a model with sparse layers where they are faster than those of `model`.

    Both share the other layers. Prints what was measured.

    Raises:
        ValueError: If the native kernels are not there.
    """
    if keras.backend.backend() != "tensorflow" or native.load() is None:
        raise ValueError(
            "Sparse kernels run on the CPU only: they need the TensorFlow backend, no GPU, and "
            "kerasopt's native library."
        )
    choices: list[Choice] = []

    def fastest(layer: keras.Layer) -> keras.Layer:
        sparse = _sparse_form(layer)
        shape = None if sparse is None else _input_shape(layer, batch_size)
        if shape is None:
            return layer
        weights = sparse.packed
        share = weights.entries * weights.size_of_entry / np.prod(weights.shape)
        choices.append(
            Choice(layer.name, share, *_seconds([layer, sparse], shape, layer.input.dtype))
        )
        return sparse if choices[-1].sparse < choices[-1].dense else layer

    chosen = keras.models.clone_model(model, clone_function=fastest)
    print_msg(_report(choices, batch_size))
    return chosen


def _sparse_form(layer: Any) -> Any:
    """Returns a layer that computes the same with a sparse kernel, or `None`."""
    is_float = type(layer) in _FLOATS and layer.compute_dtype == "float32"
    is_int8 = "4x1" in getattr(layer, "weight_formats", ()) and layer.input_bits == 8
    if not (is_float or is_int8) or not _is_pointwise(layer):
        return None
    entries = _entries(layer.kernel)
    if entries is None:
        return None
    if is_float:
        cls, options = _FLOATS[type(layer)], {"activation": layer.activation, "name": layer.name}
        sparse = cls(layer.kernel.shape[-1], entries, **options)
    else:
        changed = {"weight_format": "4x1", "entries": entries}
        sparse = type(layer).from_config({**layer.get_config(), **changed})
    sparse.build(layer.input.shape)
    _set(sparse, layer)
    return sparse


def _is_pointwise(layer: Any) -> bool:
    """Whether a layer multiplies along the last axis only."""
    if not hasattr(layer, "kernel_size"):
        return True
    return (
        layer.kernel_size == layer.strides == (1, 1)
        and layer.groups == 1
        and (isinstance(layer.padding, str) or not any(map(any, layer.padding)))
        and getattr(layer, "data_format", "channels_last") == "channels_last"
    )


def _input_shape(layer: keras.Layer, batch_size: int) -> tuple[int, ...] | None:
    shape = (batch_size, *layer.input.shape[1:])
    return None if None in shape else shape


def _entries(kernel: Any) -> tuple[int, int] | None:
    """Returns what a sparse layer stores of a kernel, `None` if that is most of it."""
    kernel = np.asarray(keras.ops.convert_to_numpy(kernel))
    weights = ops.SparseWeights.pack(kernel, *(np.zeros(kernel.shape[-1], "float32"),) * 2)
    stored = weights.entries * weights.size_of_entry
    is_few = stored <= _LARGEST_SHARE * kernel.size
    return (weights.entries, weights.block_columns) if is_few else None


def _seconds(layers: list[keras.Layer], shape: tuple[int, ...], dtype: str) -> list[float]:
    """Returns how long calls take, medians of rounds in which the layers take turns."""
    calls = [_timed_call(layer, shape, dtype) for layer in layers]
    rounds = [[call() for call in calls] for _ in range(_ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _timed_call(layer: keras.Layer, shape: tuple[int, ...], dtype: str) -> Callable[[], float]:
    """Returns a function that calls a layer often enough, and returns the seconds of one call."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    # Different inputs: equal calls would be merged.
    inputs = [tf.constant(random.integers(-128, 128, shape), dtype) for _ in range(_CALLS)]
    function = tf.function(lambda *tensors: [layer(tensor) for tensor in tensors])
    function(*inputs)

    def call() -> float:
        count, begin = 0, time.perf_counter()
        while count == 0 or time.perf_counter() - begin < _SECONDS:
            function(*inputs)
            count += 1
        return (time.perf_counter() - begin) / count / _CALLS

    return call


def _report(choices: list[Choice], batch_size: int) -> str:
    rows = [
        (
            choice.name,
            f"{choice.stored:.0%}",
            f"{choice.dense * 1e6:.1f}",
            f"{choice.sparse * 1e6:.1f}",
            "sparse" if choice.sparse < choice.dense else "dense",
        )
        for choice in choices
    ]
    if not rows:
        return (
            f"No layer was made sparse: no Dense layer or pointwise convolution stores less "
            f"than {_LARGEST_SHARE:.0%} of its weights, as blocks of 4x1 in int8 or one by one in "
            "float32."
        )
    header = ("Layer", "Stored weights", "Dense (us)", "Sparse (us)", "Chosen")
    return f"Measured at batch size {batch_size}:\n{format_table(header, rows)}"


def _set(sparse: Any, layer: Any) -> None:
    """Sets the weights of a sparse layer to those of a dense one."""
    weights = {name: getattr(layer, name) for name in sparse.stored_names}
    if weights["bias"] is None:
        weights["bias"] = np.zeros(sparse.packed.channels)
    sparse.set_arrays(*map(keras.ops.convert_to_numpy, weights.values()))
