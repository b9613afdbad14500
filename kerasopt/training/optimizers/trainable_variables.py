"""Updates the variables of an optimizer when those of the model change."""

from typing import Any

import keras

from kerasopt.keras_internals.layers import own_weights
from kerasopt.keras_internals.optimizers import (
    NO_SLOTS,
    forget_build,
    key_of,
    set_variables,
    tracked_variables,
    trained_variables,
)
from kerasopt.parametrization import is_of_link, links_by_slot, parametrized_layers
from kerasopt.training.model_state import ModelState, is_of_state, strategy_scope
from kerasopt.training.optimizers.hooked_optimizer import hooks_of, own_variables
from kerasopt.training.optimizers.slots import optimizers_of


def follow_trainable_variables(model: keras.Model) -> None:
    """Makes the optimizer of a model train what techniques have added to it.

    Only variables of parametrizations and of `ModelState`s are added and removed: an optimizer that
    was built for a part of the model (as in a GAN) keeps that part. Its state
    of remaining variables (momenta, averages, accumulated gradients) and its
    own state (iterations, learning rate) are kept. Nothing is done for an
    optimizer that is not built. Compiled functions must be renewed afterwards.

    Args:
        model: A Keras model, compiled or not.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return
    wanted = _wanted(model, optimizer)
    before, after = (_keys(optimizer, each) for each in (trained_variables(optimizer), wanted))
    places = {key: place for place, key in enumerate(_keys(optimizer, model.trainable_variables))}
    if places.keys() <= set(after):
        # Files are loaded into an optimizer that was built for the model, in its order.
        wanted.sort(key=lambda each: places.get(key_of(optimizer, each), len(places)))
        after = _keys(optimizer, wanted)
    if before == after:
        return
    optimizers = list(optimizers_of(model))
    states = [_state(each) for each in optimizers]
    for each in optimizers:
        forget_build(each)
    with strategy_scope(model):
        optimizer.build(wanted)
    for each, state in zip(optimizers, states, strict=True):
        _restore(each, state)
    inner = optimizers[-1]
    set_variables(inner, [*tracked_variables(inner), *hooks_of(inner).statistics])


def _wanted(model, optimizer) -> list[keras.Variable]:
    """Returns the variables to train: the current ones, and those of techniques."""
    present = set(_keys(optimizer, model.trainable_variables))
    known = set(_keys(optimizer, trained_variables(optimizer)))
    wanted = [
        variable
        for variable in trained_variables(optimizer)
        if not (is_of_link(variable) or is_of_state(variable))
        or key_of(optimizer, variable) in present
    ]
    wanted += [each for each in ModelState.trained(model) if key_of(optimizer, each) not in known]
    for layer in parametrized_layers(model):
        own = _keys(optimizer, own_weights(layer))
        if own and not known.intersection(own):
            continue  # another optimizer trains this layer
        wanted += [
            variable
            for _, link in links_by_slot(layer)
            for variable in link.trainable_variables
            if key_of(optimizer, variable) in present - known
        ]
    return wanted


def _keys(optimizer, variables) -> list:
    return [key_of(optimizer, variable) for variable in variables]


def _state(optimizer) -> dict[str, Any]:
    """Returns the variables of an optimizer by attribute, and in lists also by weight."""
    keys = _keys(optimizer, trained_variables(optimizer))
    own = {id(variable) for variable in own_variables(optimizer)}
    state: dict[str, Any] = {}
    for name, value in vars(optimizer).items():
        if isinstance(value, keras.Variable) and id(value) in own:
            state[name] = value
        elif _is_parallel(value, keys) and name not in NO_SLOTS:
            state[name] = dict(zip(keys, value, strict=True))
    return state


def _restore(optimizer, state) -> None:
    keys = _keys(optimizer, trained_variables(optimizer))
    for name, old in state.items():
        new = getattr(optimizer, name)
        if isinstance(old, keras.Variable):
            if new is not old:
                new.assign(old)
        elif _is_parallel(new, keys):
            for key, variable in zip(keys, new, strict=True):
                if old.get(key) is not None and variable is not None:
                    variable.assign(old[key])


def _is_parallel(value, keys) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(keys)
        and all(each is None or isinstance(each, keras.Variable) for each in value)
    )
