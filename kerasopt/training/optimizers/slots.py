"""The optimizer's state of individual weights."""

from collections.abc import Iterator

import keras

from kerasopt.keras_internals.optimizers import trained_variables


def optimizers_of(model: keras.Model) -> Iterator[keras.optimizers.Optimizer]:
    """Yields the optimizer of `model` and the optimizers that it wraps, outermost first."""
    optimizer = model.optimizer
    while optimizer is not None:
        yield optimizer
        optimizer = getattr(optimizer, "inner_optimizer", None)


def slots(optimizer: keras.optimizers.Optimizer) -> Iterator[tuple[keras.Variable, keras.Variable]]:
    """Yields (weight, slot) for every slot that has the shape of its weight.

    An optimizer holds its slots in lists (`_momentums`, `_velocities`, ...) that run parallel to
    its trainable variables. Factored slots (Adafactor) have other shapes.
    """
    trainable = trained_variables(optimizer)
    own = {id(variable) for variable in optimizer.variables}
    for members in vars(optimizer).values():
        if not isinstance(members, list) or len(members) != len(trainable):
            continue
        for slot, weight in zip(members, trainable, strict=True):
            if id(slot) in own and slot.shape == weight.shape:
                yield weight, slot
