"""Train functions that were traced before, kept for when the layers compute so again."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.keras_internals.layers import flattened
from kerasopt.parametrization import links_by_slot, parametrized_layers
from kerasopt.training.optimizers.hooked_optimizer import hooks_of

# On the function, so that nothing is left on the model when it is compiled, copied or refused.
_KEPT = "_kerasopt_kept"


@contextlib.contextmanager
def retraced(model: keras.Model) -> Iterator[None]:
    """Lets a model train by what its layers compute after the body of this context.

    What freezing changes (ranges, statistics of batch normalizations, learning rates) is part of
    the traced train function. That of each state is kept, so that a training which goes through
    the same states as one before traces nothing (on TensorFlow).

    Args:
        model: The model; its test and predict functions do not depend on what freezing changes.
    """
    before = _state(model)
    yield
    after = _state(model)
    function = getattr(model, "train_function", None)
    if before == after or function is None:
        return
    if keras.config.backend() == "jax":
        # A step is traced anew only when that of before is gone: to JAX they are equal.
        del function
        model.make_train_function(force=True)
        return
    kept = getattr(function, _KEPT, {})
    if kept.get(before) is not function:  # the model was compiled, or something attached, since
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
