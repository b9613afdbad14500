"""An optimizer with hooks: the user's own object, whose class became a subclass of what it was."""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from kerasopt.keras_internals.optimizers import having, key_of
from kerasopt.keras_internals.saving import unpickled_as
from kerasopt.training.optimizers.slots import optimizers_of

# (statistic, weight, gradient) -> (new statistic, gradient to apply), all float32.
Rule = Callable[[Any, Any, Any], tuple[Any, Any]]


class Watch(NamedTuple):
    """A statistic of the gradients of a weight, and the rule by which it is kept."""

    name: str
    statistic: keras.Variable
    rule: Rule


class Hooks:
    """What hooks an optimizer has, by the keys that it has for variables.

    Attributes:
        watches: Dict of key to the list of those who watch the gradients of a variable.
        rates: Dict of key to the factor by which a variable's learning rate is multiplied.
    """

    def __init__(self):
        self.watches: dict[Any, list[Watch]] = {}
        self.rates: dict[Any, float] = {}

    @property
    def statistics(self) -> list[keras.Variable]:
        """The variables that the optimizer keeps for those who watch."""
        return [watch.statistic for watching in self.watches.values() for watch in watching]


class HookedOptimizer:
    """What an optimizer with hooks has beside its own class.

    An optimizer that wraps the one with the update rule (`LossScaleOptimizer`)
    becomes one, too, since it saves the variables of both.
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
        # The optimizer gets the very gradient that a rule leaves alone, sparse or not.
        return gradient if changed is seen else keras.ops.cast(changed, gradient.dtype)

    def _use_weight_decay(self, variable):
        # What has a learning rate of its own is no weight of the model.
        has_rate = key_of(self, variable) in self._hooks.rates
        return not has_rate and super()._use_weight_decay(variable)

    def save_own_variables(self, store):
        with _without_statistics(self):
            super().save_own_variables(store)

    def load_own_variables(self, store):
        with _without_statistics(self):
            super().load_own_variables(store)


def hook(model: keras.Model) -> tuple[keras.optimizers.Optimizer, Hooks]:
    """Returns the optimizer of `model` that has the update rule, and its hooks.

    The hooks are made if there are none: call `unhook` when all of them are taken off.
    """
    optimizer = updating(model.optimizer)
    if "_hooks" not in vars(optimizer):
        vars(optimizer)["_hooks"] = Hooks()
        for each in optimizers_of(model):
            _become(each, hooked_class(_own_class(each)))
    return optimizer, vars(optimizer)["_hooks"]


def hooks_of(optimizer: keras.optimizers.Optimizer) -> Hooks:
    """Returns the hooks of an optimizer; none that would have an effect if it has none."""
    return vars(updating(optimizer)).get("_hooks") or Hooks()


def unhook(model: keras.Model) -> None:
    """Makes the optimizer of its own class again, if it has no hooks left."""
    optimizer = updating(model.optimizer)
    hooks = hooks_of(optimizer)
    if not hooks.watches and not hooks.rates and vars(optimizer).pop("_hooks", None):
        for each in optimizers_of(model):
            _become(each, _own_class(each))


def updating(optimizer) -> keras.optimizers.Optimizer:
    """Returns `optimizer`, or what it wraps, to which the update rule belongs."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def own_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables of an optimizer without the statistics that it keeps for others."""
    statistics = {id(statistic) for statistic in hooks_of(optimizer).statistics}
    return [variable for variable in optimizer.variables if id(variable) not in statistics]


@functools.cache
def hooked_class(base: type) -> type:
    """Returns the subclass of the optimizer class `base` that can have hooks."""

    def define(namespace):
        namespace.update(__module__=base.__module__, __qualname__=base.__qualname__)
        # Keras serializes an object as what it says its class is: files, copies and pickles hold
        # the optimizer itself, and load where kerasopt is not installed.
        namespace.update(_own_class=base, __class__=property(lambda optimizer: base))
        namespace.update(unpickled_as(base))

    return types.new_class(base.__name__, (HookedOptimizer, base), exec_body=define)


def _own_class(optimizer) -> type:
    return getattr(type(optimizer), "_own_class", type(optimizer))


def _become(optimizer, cls: type) -> None:
    # Past the property of a hooked class, and past the optimizer's own tracking of attributes.
    vars(object)["__class__"].__set__(optimizer, cls)


@contextlib.contextmanager
def _without_statistics(optimizer) -> Iterator[None]:
    """Lets `optimizer` have its own variables only, for a moment."""
    inner = updating(optimizer)
    with having(inner, own_variables(inner)):
        yield


def _dense(gradient, shape):
    # TensorFlow's gradient of an embedding are slices of rows, which may repeat.
    if not hasattr(gradient, "indices"):
        return gradient
    indices = keras.ops.expand_dims(gradient.indices, -1)
    return keras.ops.scatter(indices, gradient.values, tuple(shape))
