"""Caches traced train functions for recurring states of the layers."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.keras_internals.layers import flattened
from kerasopt.parametrization import links_by_slot, parametrized_layers
from kerasopt.training.optimizers.hooked_optimizer import hooks_of

# Stored on the function, so that nothing is left on the model when it is compiled or copied.
_KEPT = "_kerasopt_kept"


@contextlib.contextmanager
def retraced(model: keras.Model) -> Iterator[None]:
    """Selects the train function for the state of the layers after the body of this context.

    Freezing (of ranges, batch normalization statistics, learning rates) is part of the traced train
    function. One function is kept per state, so that a training that repeats the states of an
    earlier one traces nothing (on TensorFlow).

    Args:
        model: The model; its test and predict functions do not depend on freezing.
    """
    before = _state(model)
    yield
    after = _state(model)
    function = getattr(model, "train_function", None)
    if before == after or function is None:
        return
    if keras.config.backend() == "jax":
        # A step is retraced only if the previous one is gone: JAX considers them equal.
        del function
        model.make_train_function(force=True)
        return
    kept = getattr(function, _KEPT, {})
    if kept.get(before) is not function:  # compiled, or attached to, since then
        kept = {before: function}
    if after in kept:
        model.train_function = kept[after]
    else:
        model.make_train_function(force=True)
        kept[after] = model.train_function
    setattr(model.train_function, _KEPT, kept)


def _state(model) -> Any:
    links = [
        (id(link), link.frozen)
        for layer in parametrized_layers(model)
        for _, link in links_by_slot(layer)
        if hasattr(link, "frozen")
    ]
    held = [id(layer) for layer in flattened(model) if "call" in vars(layer)]
    optimizer = getattr(model, "optimizer", None)
    rates = [] if optimizer is None else sorted(map(str, hooks_of(optimizer).rates.items()))
    return tuple(links), tuple(held), tuple(rates)
