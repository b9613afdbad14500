"""The optimizers' part of a Keras weights file: leaving it out, or making it sparse."""

import h5py
import keras
import numpy as np

from kerasopt.keras_internals.layers import flattened
from kerasopt.sparsity import masked_variables
from kerasopt.training.optimizers.slots import optimizers_of, slots


def optimizer_names(model: keras.Model) -> set[str]:
    """Returns the attribute names under which a model, or one inside it, holds optimizers.

    Keras names the groups of a weights file after attributes.
    """
    return {
        name
        for layer in flattened(model)
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
    group = "optimizer"
    for optimizer in optimizers_of(model):
        masked = {id(slot): masks.get(id(weight)) for weight, slot in slots(optimizer)}
        for index, variable in enumerate(optimizer.variables):
            mask = masked.get(id(variable))
            if mask is not None:
                stored = file[f"{group}/vars/{index}"]
                # Not a product, which would leave a slot that overflowed at NaN.
                stored[...] = np.where(mask, stored[...], 0)
        group += "/inner_optimizer"
