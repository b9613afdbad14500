"""The stored values under a mask, and the optimizer's state for them."""

from collections.abc import Iterable, Iterator

import keras

from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.training.optimizers.slots import optimizers_of, slots


def stored_under_masks(
    model: keras.Model, weights: Iterable[MaskedWeight]
) -> Iterator[tuple[keras.Variable, keras.Variable]]:
    """Yields (variable, boolean mask) for weights and their optimizer state.

    Args:
        model: A compiled model.
        weights: Masked weights of it.
    """
    masks = {}
    for weight in weights:
        masks[id(weight.stored)] = weight.link.mask
        yield weight.stored, weight.link.mask
    for optimizer in optimizers_of(model):
        for stored, slot in slots(optimizer):
            if id(stored) in masks:
                yield slot, masks[id(stored)]


def zero_hidden(model: keras.Model, weights: Iterable[MaskedWeight]) -> None:
    """Sets the values under masks to zero, so that files are sparse.

    No layer reads these values, but momenta, averages and accumulated gradients would change them
    again. They would then appear in files, and in norms over all stored values (gradient clipping).
    A pruned weight gets no gradient, so a zero stays zero until the next mask update.

    Args:
        model: A compiled model.
        weights: Masked weights of it.
    """
    for variable, mask in stored_under_masks(model, weights):
        variable.assign(keras.ops.where(mask.value, variable.value, 0))
