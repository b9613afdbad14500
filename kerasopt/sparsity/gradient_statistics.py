"""Statistics of gradients, gathered where gradients pass: in the optimizer.

A watched optimizer is the user's own object whose class became a subclass of
what it was. Its `update_step` shows every gradient to the rules that watch it:
reduced over replicas, accumulated, unscaled and clipped, once per update.
"""

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras.src.utils.tracking import DotNotTrackScope

from kerasopt import graph
from kerasopt.model_state import build_optimizer
from kerasopt.sparsity.optimizer_slots import optimizers_of

# (statistic, weight, gradient) -> (new statistic, gradient to apply), all float32.
Rule = Callable[[Any, Any, Any], tuple[Any, Any]]


def watch_gradients(
    model: keras.Model,
    variables: list[keras.Variable],
    rule: Rule,
    name: str,
    initializer: str | keras.Initializer = "zeros",
) -> list[keras.Variable]:
    """Makes the optimizer of `model` keep a statistic of the gradients of some weights.

    Each statistic is a float32 variable of the shape of its weight, whatever the
    weight's dtype, and one of `optimizer.variables`: every trainer carries it, and
    `kerasopt.callbacks.BackupAndRestore` saves it. Files that Keras writes are as
    if nothing were watched. Several rules may watch one weight; they see the
    gradient one after the other. Compiled functions have to be renewed afterwards
    (`kerasopt.parametrization.Attachments` does), and under a `tf.distribute`
    strategy this has to be called in its scope.

    Example:

    ```python
    def mean_gradient(statistic, weight, gradient):
        return 0.9 * statistic + 0.1 * gradient, gradient

    (statistic,) = watch_gradients(model, [layer.kernel], mean_gradient, "mean_gradient")
    model.fit(x, y)
    unwatch_gradients(model, [statistic])
    ```

    Args:
        model: A compiled model. Its optimizer is built here, if it is not yet.
        variables: List of trainable variables of the model, as they are stored.
        rule: Pure function in `keras.ops`: `rule(statistic, weight, gradient)`
            returns the new statistic and the gradient that the optimizer applies.
            It is called before the weight is updated; all are float32 tensors of
            the weight's shape.
        name: String, of the statistics. What watches the same weight under the
            same name, left from a training that was interrupted, is removed.
        initializer: Initializer of the statistics, or its name.

    Returns:
        List of the statistics, in the order of `variables`.

    Raises:
        ValueError: If the model is not compiled, or no gradient reaches a
            variable: it, or its layer, is not trainable.
    """
    _check(model, variables)
    build_optimizer(model)
    optimizer = _updating(model.optimizer)
    for each in optimizers_of(model):
        _become(each, watched_class(_own_class(each)))
    watches = vars(optimizer).setdefault("_watches", {})
    statistics = []
    for variable in variables:
        watching = watches.setdefault(optimizer._get_variable_index(variable), [])
        for stale in [watch for watch in watching if watch.name == name]:
            _remove(optimizer, stale.statistic)
            watching.remove(stale)
        statistic = optimizer.add_variable(
            shape=variable.shape,
            initializer=initializer,
            dtype="float32",
            layout=getattr(variable, "_layout", None),
            name=f"{variable.path.replace('/', '_')}_{name}",
        )
        watching.append(_Watch(name, statistic, rule))
        statistics.append(statistic)
    return statistics


def unwatch_gradients(model: keras.Model, statistics: list[keras.Variable]) -> None:
    """Removes statistics from the optimizer of `model`.

    When nothing watches it any more, the optimizer is of its own class again and
    has exactly the variables that it had.

    Args:
        model: The model that `watch_gradients` was given. An optimizer that it got
            from a `compile` since then has nothing to remove.
        statistics: List of variables that `watch_gradients` returned.
    """
    optimizer = _updating(model.optimizer)
    watches = vars(optimizer).get("_watches", {})
    removed = {id(statistic) for statistic in statistics}
    for index, watching in list(watches.items()):
        for watch in [watch for watch in watching if id(watch.statistic) in removed]:
            _remove(optimizer, watch.statistic)
            watching.remove(watch)
        if not watching:
            del watches[index]
    if not watches:
        vars(optimizer).pop("_watches", None)
        for each in optimizers_of(model):
            _become(each, _own_class(each))


def unwatch_all(model: keras.Model) -> None:
    """Removes all statistics, as a training that was interrupted may have left them."""
    if getattr(model, "optimizer", None) is not None:
        watches = vars(_updating(model.optimizer)).get("_watches", {}).values()
        unwatch_gradients(model, [watch.statistic for each in watches for watch in each])


def own_variables(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the variables of an optimizer without the statistics that it keeps for others."""
    watches = vars(_updating(optimizer)).get("_watches", {}).values()
    statistics = {id(watch.statistic) for watching in watches for watch in watching}
    return [variable for variable in optimizer.variables if id(variable) not in statistics]


class _Watch(NamedTuple):
    name: str
    statistic: keras.Variable
    rule: Rule


class WatchedOptimizer:
    """What an optimizer whose gradients are watched has beside its own class.

    An optimizer that wraps the one with the update rule (`LossScaleOptimizer`)
    becomes one, too, since it saves the variables of both.
    """

    _own_class: type
    # Index of a trainable variable of this optimizer to those who watch it.
    _watches: dict[int, list[_Watch]]

    def update_step(self, gradient, variable, learning_rate):
        for watch in self._watches.get(self._get_variable_index(variable), ()):
            gradient = self._show(gradient, variable, watch)
        super().update_step(gradient, variable, learning_rate)

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

    def save_own_variables(self, store):
        with _without_statistics(self):
            super().save_own_variables(store)

    def load_own_variables(self, store):
        with _without_statistics(self):
            super().load_own_variables(store)


@functools.cache
def watched_class(base: type) -> type:
    """Returns the subclass of the optimizer class `base` that can be watched."""

    def define(namespace):
        namespace.update(__module__=base.__module__, __qualname__=base.__qualname__)
        # Keras serializes an object as what it says its class is: files, copies and pickles hold
        # the optimizer itself, and load where kerasopt is not installed.
        namespace.update(_own_class=base, __class__=property(lambda optimizer: base))
        namespace.update(_unpickle_model=base._unpickle_model)

    return types.new_class(base.__name__, (WatchedOptimizer, base), exec_body=define)


def _remove(optimizer, statistic) -> None:
    optimizer._untrack_variable(statistic)
    # TensorFlow does not export an object with a list from which something was removed.
    with DotNotTrackScope():
        optimizer._variables = list(optimizer._variables)
    is_variable, _ = optimizer._tracker.config["variables"]
    optimizer._tracker.config["variables"] = is_variable, optimizer._variables


def _own_class(optimizer) -> type:
    return getattr(type(optimizer), "_own_class", type(optimizer))


def _become(optimizer, cls: type) -> None:
    # Past the property of a watched class, and past the optimizer's own tracking of attributes.
    vars(object)["__class__"].__set__(optimizer, cls)


def _updating(optimizer) -> keras.optimizers.Optimizer:
    """Returns `optimizer`, or what it wraps, to which the update rule belongs."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextlib.contextmanager
def _without_statistics(optimizer):
    """Lets `optimizer` have its own variables only, for a moment."""
    inner = _updating(optimizer)
    variables = inner._variables
    vars(inner)["_variables"] = own_variables(inner)
    try:
        yield
    finally:
        vars(inner)["_variables"] = variables


def _dense(gradient, shape):
    # TensorFlow's gradient of an embedding are slices of rows, which may repeat.
    if not hasattr(gradient, "indices"):
        return gradient
    indices = keras.ops.expand_dims(gradient.indices, -1)
    return keras.ops.scatter(indices, gradient.values, tuple(shape))


def _check(model, variables) -> None:
    if model.optimizer is None:
        raise ValueError(
            "Gradients are gathered in the optimizer: compile the model with one. "
            f"Received: model={model.name}"
        )
    reached = {id(variable) for variable in model.trainable_variables}
    if model.optimizer.built:
        reached &= {id(known) for known in _updating(model.optimizer)._trainable_variables}
    frozen = {id(variable) for variable in variables} - reached
    if frozen:
        layers = [
            path
            for path, layer in graph.layers(model)
            if frozen & {id(v) for v in layer._trainable_variables + layer._non_trainable_variables}
        ]
        raise ValueError(
            f"No gradient reaches {len(frozen)} weights, since they are not trainable. Leave their "
            "layers out with a rule `(name, None)`, unfreeze them and compile the model again, or "
            f"take a criterion that needs no gradients. Received: layers={layers}"
        )
