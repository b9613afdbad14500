"""An optimizer whose model has got, or lost, trainable variables."""

from typing import Any

import keras

from kerasopt.parametrization import is_of_link, links_by_slot, parametrized_layers
from kerasopt.training.model_state import strategy_scope
from kerasopt.training.optimizers.hooked_optimizer import hooks_of, own_variables, set_variables
from kerasopt.training.optimizers.slots import optimizers_of


def follow_trainable_variables(model: keras.Model) -> None:
    """Makes the optimizer of a model update the variables that its parametrizations train now.

    Only variables of parametrizations are added and removed: an optimizer that was
    built for a part of the model (a GAN has two) goes on with that part. What it has
    of variables that stay (momenta, averages, accumulated gradients) and of itself
    (iterations, learning rate) is kept. An optimizer that is not built has nothing to
    follow. Compiled functions have to be renewed afterwards.

    Args:
        model: A Keras model, compiled or not.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return
    wanted = _wanted(model, optimizer)
    before, after = (_keys(optimizer, each) for each in (optimizer._trainable_variables, wanted))
    places = {key: place for place, key in enumerate(_keys(optimizer, model.trainable_variables))}
    if places.keys() <= set(after):
        # A file is read into an optimizer that was built for the model, in its order.
        wanted.sort(key=lambda each: places.get(optimizer._var_key(each), len(places)))
        after = _keys(optimizer, wanted)
    if before == after:
        return
    optimizers = list(optimizers_of(model))
    states = [_state(each) for each in optimizers]
    for each in optimizers:
        _forget(each)
    with strategy_scope(model):
        optimizer.build(wanted)
    for each, state in zip(optimizers, states, strict=True):
        _restore(each, state)
    inner = optimizers[-1]
    set_variables(inner, [*inner._variables, *hooks_of(inner).statistics])


def _wanted(model, optimizer) -> list[keras.Variable]:
    """Returns what the optimizer is to train: what it trains, and variables of parametrizations."""
    present = set(_keys(optimizer, model.trainable_variables))
    known = set(_keys(optimizer, optimizer._trainable_variables))
    wanted = [
        variable
        for variable in optimizer._trainable_variables
        if not is_of_link(variable) or optimizer._var_key(variable) in present
    ]
    for layer in parametrized_layers(model):
        own = _keys(optimizer, layer._trainable_variables)
        if own and not known.intersection(own):
            continue  # another optimizer trains this layer
        wanted += [
            variable
            for _, link in links_by_slot(layer)
            for variable in link.trainable_variables
            if optimizer._var_key(variable) in present - known
        ]
    return wanted


def _keys(optimizer, variables) -> list:
    return [optimizer._var_key(variable) for variable in variables]


def _state(optimizer) -> dict[str, Any]:
    """Returns the variables of an optimizer by attribute; those in lists by their weight, too."""
    keys = _keys(optimizer, optimizer._trainable_variables)
    own = {id(variable) for variable in own_variables(optimizer)}
    state: dict[str, Any] = {}
    for name, value in vars(optimizer).items():
        if isinstance(value, keras.Variable) and id(value) in own:
            state[name] = value
        elif _is_parallel(value, keys) and name not in ("_variables", "_trainable_variables"):
            state[name] = dict(zip(keys, value, strict=True))
    return state


def _forget(optimizer) -> None:
    """Makes an optimizer as it was before it was built."""
    created = (optimizer._iterations, optimizer._learning_rate)
    set_variables(optimizer, [each for each in created if isinstance(each, keras.Variable)])
    optimizer._trainable_variables = []
    optimizer._trainable_variables_indices = {}
    optimizer.built = False


def _restore(optimizer, state) -> None:
    keys = _keys(optimizer, optimizer._trainable_variables)
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
