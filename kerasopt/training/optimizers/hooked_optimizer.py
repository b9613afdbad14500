"""An optimizer with hooks: the user's own object, with a dynamic subclass as its class."""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from kerasopt.keras_internals.optimizers import NO_SLOTS, having, key_of, trained_variables
from kerasopt.keras_internals.saving import unpickled_as
from kerasopt.training.model_state import is_of_state
from kerasopt.training.optimizers.slots import optimizers_of

# (statistic, weight, gradient) -> (new statistic, gradient to apply), all float32.
Rule = Callable[[Any, Any, Any], tuple[Any, Any]]


class Watch(NamedTuple):
    """A statistic of the gradients of a weight, and its rule."""

    name: str
    statistic: keras.Variable
    rule: Rule


class Hooks:
    """The hooks of an optimizer, by its keys of variables.

    Attributes:
        watches: Dict of key to the list of `Watch` for the gradients of a variable.
        rates: Dict of key to the learning rate factor of a variable.
    """

    def __init__(self):
        self.watches: dict[Any, list[Watch]] = {}
        self.rates: dict[Any, float] = {}

    @property
    def statistics(self) -> list[keras.Variable]:
        """The variables of all statistics."""
        return [watch.statistic for watching in self.watches.values() for watch in watching]


class HookedOptimizer:
    """Mixin of optimizers with hooks.

    A wrapping optimizer (`LossScaleOptimizer`) gets the mixin, too, since it
    saves the variables of both.
    """

    _own_class: type
    _hooks: Hooks

    def update_step(self, gradient, variable, learning_rate):
        key = key_of(self, variable)
        for watch in self._hooks.watches.get(key, ()):
            gradient = self._show(gradient, variable, watch)
        rate = self._hooks.rates.get(key, 1.0)
        super().update_step(
            gradient, variable, learning_rate if rate == 1.0 else learning_rate * rate
        )

    def _show(self, gradient, variable, watch):
        seen = keras.ops.cast(_dense(gradient, variable.shape), "float32")
        statistic, changed = watch.rule(
            keras.ops.convert_to_tensor(watch.statistic),
            keras.ops.cast(variable, "float32"),
            seen,
        )
        self.assign(watch.statistic, statistic)
        # If no rule changes the gradient, the optimizer gets the original one, sparse or not.
        return gradient if changed is seen else keras.ops.cast(changed, gradient.dtype)

    def finalize_variable_values(self, var_list):
        # `fit` passes the weights of the model; averages are in the order of all that is trained.
        super().finalize_variable_values(trained_variables(self))

    def _use_weight_decay(self, variable):
        # A variable with its own learning rate is not a weight of the model.
        has_rate = key_of(self, variable) in self._hooks.rates
        return not has_rate and super()._use_weight_decay(variable)

    def save_own_variables(self, store):
        with _without_statistics(self):
            super().save_own_variables(store)

    def load_own_variables(self, store):
        with _without_statistics(self):
            super().load_own_variables(store)


def hook(model: keras.Model) -> tuple[keras.optimizers.Optimizer, Hooks]:
    """Returns the optimizer of `model` with the update rule, and its hooks.

    The hooks are created if necessary: call `unhook` when all of them are removed.
    """
    optimizer = updating(model.optimizer)
    if "_hooks" not in vars(optimizer):
        vars(optimizer)["_hooks"] = Hooks()
        for each in optimizers_of(model):
            _become(each, hooked_class(_own_class(each)))
    return optimizer, vars(optimizer)["_hooks"]


def hooks_of(optimizer: keras.optimizers.Optimizer) -> Hooks:
    """Returns the hooks of an optimizer; empty ones if it has none."""
    return vars(updating(optimizer)).get("_hooks") or Hooks()


def unhook(model: keras.Model) -> None:
    """Gives the optimizer its own class back, if it has no hooks left."""
    optimizer = updating(model.optimizer)
    hooks = hooks_of(optimizer)
    if not hooks.watches and not hooks.rates and vars(optimizer).pop("_hooks", None):
        for each in optimizers_of(model):
            _become(each, _own_class(each))


def updating(optimizer) -> keras.optimizers.Optimizer:
    """Returns `optimizer`, or the wrapped one with the update rule."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def own_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables of an optimizer without statistics and slots of `ModelState`s."""
    added = {id(statistic) for statistic in hooks_of(optimizer).statistics}
    added |= {id(slot) for slot in _slots_of_states(updating(optimizer))}
    return [variable for variable in optimizer.variables if id(variable) not in added]


def _slots_of_states(optimizer: keras.optimizers.Optimizer) -> Iterator[Any]:
    trained = trained_variables(optimizer)
    places = [place for place, variable in enumerate(trained) if is_of_state(variable)]
    for name, value in vars(optimizer).items():
        if isinstance(value, list) and len(value) == len(trained) and name not in NO_SLOTS:
            yield from (value[place] for place in places)


@functools.cache
def hooked_class(base: type) -> type:
    """Returns the subclass of the optimizer class `base` that can have hooks."""

    def define(namespace):
        namespace.update(__module__=base.__module__, __qualname__=base.__qualname__)
        # Keras serializes an object by its reported class: files, copies and pickles contain the
        # plain optimizer and load without kerasopt.
        namespace.update(_own_class=base, __class__=property(lambda optimizer: base))
        namespace.update(unpickled_as(base))

    return types.new_class(base.__name__, (HookedOptimizer, base), exec_body=define)


def _own_class(optimizer) -> type:
    return getattr(type(optimizer), "_own_class", type(optimizer))


def _become(optimizer, cls: type) -> None:
    # Bypasses the property of a hooked class, and the optimizer's own attribute tracking.
    vars(object)["__class__"].__set__(optimizer, cls)


@contextlib.contextmanager
def _without_statistics(optimizer) -> Iterator[None]:
    """Temporarily leaves `optimizer` only its own variables."""
    inner = updating(optimizer)
    with having(inner, own_variables(inner)):
        yield


def _dense(gradient, shape):
    # TensorFlow's gradient of an embedding consists of slices, whose rows may repeat.
    if not hasattr(gradient, "indices"):
        return gradient
    indices = keras.ops.expand_dims(gradient.indices, -1)
    return keras.ops.scatter(indices, gradient.values, tuple(shape))
