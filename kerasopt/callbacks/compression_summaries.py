"""What compression has done to a model, as numbers and images."""

import math
from collections.abc import Iterator

import keras
import numpy as np

from kerasopt import graph
from kerasopt.parametrization import links_of_model
from kerasopt.quantization import ActivationQuantizer, Quantizer, measure
from kerasopt.sparsity import Mask

# Sides in pixels: of an image, and of one weight in it.
_LARGEST_IMAGE, _LARGEST_CELL = 512, 16


def read_masks(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns path of the weight to boolean mask, for all masked weights of `model`."""
    return {
        f"{path}/{slot}": keras.ops.convert_to_numpy(link.mask)
        for path, _, slot, link in links_of_model(model, Mask)
    }


def mask_scalars(
    model: keras.Model, masks: dict[str, np.ndarray], before: dict[str, np.ndarray]
) -> Iterator[tuple[str, float]]:
    """Yields tag and value of the sparsity, churn and threshold of masked weights.

    Args:
        model: The model.
        masks: Its masks, from `read_masks`.
        before: Its masks an epoch ago; those that it lacks have not changed.
    """
    zeros = changes = 0
    for path, layer, slot, _ in links_of_model(model, Mask):
        weight = f"{path}/{slot}"
        mask = masks[weight]
        pruned = mask.size - int(np.count_nonzero(mask))
        changed = int(np.count_nonzero(mask != before.get(weight, mask)))
        yield f"sparsity/{weight}", pruned / mask.size
        yield f"churn/{weight}", changed / mask.size
        yield f"threshold/{weight}", _threshold(getattr(layer, slot).own_value, mask)
        zeros, changes = zeros + pruned, changes + changed
    if masks:
        total = sum(mask.size for mask in masks.values())
        yield "sparsity/total", zeros / total
        yield "churn/total", changes / total


def mask_images(
    model: keras.Model, masks: dict[str, np.ndarray], before: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields tag and image, uint8 of shape `(1, height, width, 1)`, of every mask that is new.

    Args:
        model: The model.
        masks: Its masks, from `read_masks`.
        before: Its masks at the last images.
    """
    for path, layer, slot, _ in links_of_model(model, Mask):
        weight = f"{path}/{slot}"
        if weight not in before or not np.array_equal(masks[weight], before[weight]):
            yield f"mask/{weight}", _image(masks[weight], graph.kernel_layout(layer, slot))


def range_scalars(model: keras.Model) -> Iterator[tuple[str, float]]:
    """Yields tag and value of the range and the scale of each quantized activation."""
    for path, _, slot, link in links_of_model(model, ActivationQuantizer):
        # The tag of an output, by far the most, is that of its layer.
        tensor = path if slot == "output" else f"{path}/{slot}"
        yield f"range/{tensor}/minimum", float(link.observer.minimum)
        yield f"range/{tensor}/maximum", float(link.observer.maximum)
        yield f"scale/{tensor}", float(link.scale)


def rounding_scalars(model: keras.Model, data) -> Iterator[tuple[str, float]]:
    """Yields tag and value of the signal-to-noise ratio and the clipping of quantized tensors.

    Args:
        model: The model.
        data: A batch of its inputs, to measure activations with; `None`: weights only.
    """
    measured = measure(model, data)
    for path, _, slot, link in links_of_model(model, Quantizer):
        error = measured.get(f"{path}/{slot}")
        if error is None or not link.is_enabled:
            continue
        tensor = path if slot == "output" else f"{path}/{slot}"
        if np.isfinite(error.sqnr):  # where nothing is changed it is infinite
            yield f"sqnr/{tensor}", error.sqnr
        yield f"clipped/{tensor}", error.clipped


def _threshold(weight: keras.Variable, mask: np.ndarray) -> float:
    """The smallest magnitude of a kept weight; 0 when nothing, or everything, is pruned."""
    if mask.all() or not mask.any():
        return 0.0
    return float(np.abs(keras.ops.convert_to_numpy(weight)[mask]).min())


def _image(mask: np.ndarray, layout: graph.KernelLayout) -> np.ndarray:
    rows, columns = (*layout.spatial, *layout.contracted), layout.outputs
    height = math.prod(mask.shape[axis] for axis in rows)
    grid = np.transpose(mask, (*rows, *columns)).reshape(height, -1)
    shares = _fit(_fit(grid, axis=0), axis=1)
    return np.rint(shares * 255).astype("uint8")[np.newaxis, ..., np.newaxis]


def _fit(grid: np.ndarray, axis: int) -> np.ndarray:
    """Averages what is too long for an image, repeats what is too short to be seen."""
    length = grid.shape[axis]
    if length <= _LARGEST_IMAGE:
        return np.repeat(grid, min(_LARGEST_CELL, _LARGEST_IMAGE // length), axis)
    starts = np.arange(0, length, math.ceil(length / _LARGEST_IMAGE))
    sums = np.add.reduceat(grid, starts, axis, dtype="float32")
    counts = np.diff(starts, append=length)
    return sums / np.expand_dims(counts, 1 - axis)
