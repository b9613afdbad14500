"""Smoothing: outliers of activations move into the weights that read them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt.graph import Graph
from kerasopt.quantization.activations import ActivationQuantizer
from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.batches import batches_of
from kerasopt.quantization.post_training.places import Place, Reader, places
from kerasopt.quantization.post_training.walk import run
from kerasopt.quantization.site import Site

_EXAMPLES = 64
# Rows of each batch by which it is decided whether smoothing helps.
_ROWS = 512


def smooth(model: keras.Model, sites: list[Site], data, batch_size: int | None) -> int:
    """Divides channels of activations, and multiplies the weights that read them, in place.

    Where a normalization, a dense layer or a product is read by dense layers only, and rounded
    with one scale, its channel j is divided, and row j of their kernels multiplied, by

        s_j = sqrt(max|x_j| / max|w_j|)

    rounded to a power of two, so that the float model computes the same to the last bit. That is
    kept where it makes the error of the products smaller, on a sample of the rows x, and undone if
    the model computes something else afterwards.

    Args:
        model: A model whose quantizers are not attached yet.
        sites: The sites of its quantizers.
        data: Data for `model.predict`; the first 64 examples are used.
        batch_size: Integer, for arrays.

    Returns:
        The number of tensors that were smoothed.

    Reference:
        Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
        Language Models" (2022, https://arxiv.org/abs/2211.10438), equation 4 with alpha 0.5.
    """
    graph = Graph.of(model)
    found = [place for place in places(graph) if _quantizer(place, sites) is not None]
    batches = batches_of(data, batch_size, _EXAMPLES) if found else []
    if not batches:
        return 0
    seen = [_Rows() for _ in found]
    for batch in batches:
        _watch(graph, batch, found, seen)
    before = _outputs(model, batches[0])
    applied = []
    for place, rows in zip(found, seen, strict=True):
        factor = _factor(place, rows, sites)
        if factor is not None:
            _apply(place, factor)
            applied.append((place, factor))
    if applied and not _are_equal(before, _outputs(model, batches[0])):
        for place, factor in reversed(applied):
            _apply(place, 1 / factor)
        return 0
    return len(applied)


def _outputs(model: keras.Model, batch: Any) -> list[np.ndarray]:
    return [to_float32(x) for x in keras.tree.flatten(model(batch, training=False))]


def _are_equal(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    """Whether a model computes the same: not if code that no graph shows reads a weight, too."""
    return all(
        np.allclose(x, y, rtol=0, atol=1e-4 * np.nanmax(np.abs(x), initial=0), equal_nan=True)
        for x, y in zip(before, after, strict=True)
    )


class _Rows:
    """The range of each channel of a tensor, and a sample of its rows."""

    def __init__(self) -> None:
        self.low, self.high = np.array(np.inf, "float32"), np.array(-np.inf, "float32")
        self._samples: list[np.ndarray] = []
        self._generator = np.random.default_rng(0)

    def add(self, tensor) -> None:
        rows = to_float32(tensor).reshape(-1, tensor.shape[-1])
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self._samples.append(rows[self._generator.integers(len(rows), size=_ROWS)])

    @property
    def sample(self) -> np.ndarray:
        return np.concatenate(self._samples)


def _watch(graph: Graph, batch: Any, found: list[Place], seen: list[_Rows]) -> None:
    """Runs a batch through the calls of a graph, as far as there are places."""
    readers = [(place.readers[0].node, place.readers[0].edge) for place in found]
    pending = dict(zip(readers, seen, strict=True))
    for node, (inputs,) in run(graph, [batch]):
        for edge, tensor in zip(node.inputs, inputs, strict=True):
            rows = pending.pop((node, edge), None)
            if rows is not None:
                rows.add(tensor)
        if not pending:
            return


def _factor(place: Place, rows: _Rows, sites: list[Site]) -> np.ndarray | None:
    """Returns the factors of the channels, or `None` if they make no error smaller."""
    read = np.max([np.abs(_columns(x, x.layer.kernel)).max(axis=1) for x in place.readers], axis=0)
    largest = np.maximum(-rows.low, rows.high)
    alive = np.isfinite(largest) & (largest > 0) & (read > 0)
    ratio = np.where(alive, largest, 1) / np.where(alive, read, 1)
    factor = np.exp2(np.rint(np.log2(ratio) / 2)).astype("float32")
    helps = _error(place, rows, sites, factor) < _error(place, rows, sites, np.ones_like(factor))
    return factor if helps else None


def _apply(place: Place, factor: np.ndarray) -> None:
    for layer, name, axis in place.divided:
        weight = getattr(layer, name)
        weight.assign(to_float32(weight) / _along(factor, weight, axis))
    for _, _, layer, axis in place.readers:
        layer.kernel.assign(to_float32(layer.kernel) * _along(factor, layer.kernel, axis))


def _error(place: Place, rows: _Rows, sites: list[Site], factor: np.ndarray) -> float:
    """Returns the relative error of the products if both factors are rounded."""
    quantizer = _quantizer(place, sites)
    assert quantizer is not None
    x, format = rows.sample / factor, quantizer.format
    scale, zero_point = map(
        to_float32, format.affine((rows.low / factor).min(), (rows.high / factor).max())
    )
    codes = np.clip(np.rint(x / scale) + zero_point, format.minimum, format.maximum)
    rounded, error = (codes - zero_point) * scale, 0.0
    for reader in place.readers:
        weight = to_float32(reader.layer.kernel) * _along(factor, reader.layer.kernel, reader.axis)
        exact = x @ _columns(reader, weight)
        difference = rounded @ _columns(reader, _rounded(weight, reader, sites)) - exact
        error += float((difference**2).sum() / max((exact**2).sum(), np.float32(1e-30)))
    return error


def _quantizer(place: Place, sites: list[Site]) -> ActivationQuantizer | None:
    """Returns the quantizer that rounds the tensor with one scale, or `None`."""
    slots = {(id(operation), "output") for operation in place.operations}
    slots |= {(id(reader.layer), "input") for reader in place.readers}
    for site in sites:
        if (id(site.layer), site.slot) in slots and isinstance(site.quantizer, ActivationQuantizer):
            return site.quantizer
    return None


def _rounded(weight: np.ndarray, reader: Reader, sites: list[Site]) -> np.ndarray:
    """Returns a kernel as the quantizer of the layer will round it."""
    for site in sites:
        if site.layer is reader.layer and site.slot == "kernel":
            quantizer = site.quantizer.like()
            quantizer.build(weight.shape)
            return to_float32(quantizer(keras.ops.convert_to_tensor(weight)))
    return weight


def _columns(reader: Reader, weight) -> np.ndarray:
    """Returns a weight of the kernel's shape as a matrix with a row for each channel it reads."""
    weight = np.moveaxis(to_float32(weight), reader.axis, 0)
    return weight.reshape(len(weight), -1)


def _along(factor: np.ndarray, weight, axis: int) -> np.ndarray:
    shape = [1] * len(weight.shape)
    shape[axis] = -1
    return factor.reshape(shape)
