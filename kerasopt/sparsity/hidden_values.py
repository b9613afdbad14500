"""What a mask hides: the values under it, and the optimizer's state for them."""

from collections.abc import Iterable, Iterator

import keras

from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.training.optimizers.slots import optimizers_of, slots


def stored_under_masks(
    model: keras.Model, weights: Iterable[MaskedWeight]
) -> Iterator[tuple[keras.Variable, keras.Variable]]:
    """Yields (variable, its boolean mask) of weights and of what the optimizer keeps of them.

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
    """Sets what masks hide to zero, as files should hold it.

    Nothing reads the values; but momenta, averages and accumulated gradients would bring them
    back, into files and into what sees every stored value (a norm by which gradients are
    clipped). A hidden weight gets no gradient, so what is zero stays zero until masks move.

    Args:
        model: A compiled model.
        weights: Masked weights of it.
    """
    for variable, mask in stored_under_masks(model, weights):
        variable.assign(keras.ops.where(mask.value, variable.value, 0))
