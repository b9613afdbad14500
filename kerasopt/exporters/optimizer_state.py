"""The optimizers' part of a Keras weights file: leaving it out, or making it sparse."""

from collections.abc import Iterator

import h5py
import keras
import numpy as np

from kerasopt.sparsity import masked_variables


def optimizer_names(model: keras.Model) -> set[str]:
    """Returns the attribute names under which a model, or one inside it, holds optimizers.

    Keras names the groups of a weights file after attributes.
    """
    return {
        name
        for layer in model._flatten_layers()
        for name, value in vars(layer).items()
        if isinstance(value, keras.optimizers.Optimizer)
    }


def copy_without(source: h5py.Group, target: h5py.Group, names: set[str]) -> None:
    """Copies an HDF5 group, but none of the groups called one of `names`, at any depth."""
    target.attrs.update(source.attrs)
    for key, item in source.items():
        if isinstance(item, h5py.Group):
            if key not in names:
                copy_without(item, target.create_group(key), names)
        else:
            source.copy(key, target)


def zero_masked_slots(file: h5py.File, model: keras.Model) -> None:
    """Sets the optimizer's slots of masked weights to zero where the mask is zero."""
    masks = {id(weight): mask.numpy() for weight, mask in masked_variables(model)}
    optimizers = list(_optimizers(model))
    slots = {
        id(slot): mask for _, optimizer in optimizers for slot, mask in _slots(optimizer, masks)
    }
    for group, optimizer in optimizers:
        for index, variable in enumerate(optimizer.variables):
            if id(variable) in slots:
                stored = file[f"{group}/vars/{index}"]
                # Not a product, which would leave a slot that overflowed at NaN.
                stored[...] = np.where(slots[id(variable)], stored[...], 0)


def _optimizers(model: keras.Model) -> Iterator[tuple[str, keras.optimizers.Optimizer]]:
    """Yields the model's optimizer and what it wraps (loss scaling), with their groups."""
    group, optimizer = "optimizer", model.optimizer
    while optimizer is not None:
        yield group, optimizer
        group += "/inner_optimizer"
        optimizer = getattr(optimizer, "inner_optimizer", None)


def _slots(
    optimizer: keras.optimizers.Optimizer, masks: dict[int, np.ndarray]
) -> Iterator[tuple[keras.Variable, np.ndarray]]:
    """Yields every slot of a masked weight, with the mask.

    An optimizer holds its slots in lists (`_momentums`, `_velocities`, ...) that run parallel to
    its trainable variables. Factored slots (Adafactor) have other shapes: no mask fits them.
    """
    trainable = optimizer._trainable_variables
    own = {id(variable) for variable in optimizer.variables}
    for slots in vars(optimizer).values():
        if not isinstance(slots, list) or len(slots) != len(trainable):
            continue
        for slot, weight in zip(slots, trainable, strict=True):
            mask = masks.get(id(weight))
            if mask is not None and id(slot) in own and slot.shape == mask.shape:
                yield slot, mask
