"""Statistics of gradients, gathered in the optimizer.

The `update_step` of a hooked optimizer passes every gradient to the rules that
watch it, once per update: reduced over replicas, accumulated, unscaled and
clipped.
"""

import keras

from kerasopt import graph
from kerasopt.keras_internals.layers import own_state
from kerasopt.keras_internals.optimizers import (
    key_of,
    set_variables,
    tracked_variables,
    trained_variables,
)
from kerasopt.keras_internals.variables import layout_of
from kerasopt.training.model_state import build_optimizer
from kerasopt.training.optimizers.hooked_optimizer import (
    Rule,
    Watch,
    hook,
    hooks_of,
    unhook,
    updating,
)


def watch_gradients(
    model: keras.Model,
    variables: list[keras.Variable],
    rule: Rule,
    name: str,
    initializer: str | keras.Initializer = "zeros",
) -> list[keras.Variable]:
    """Makes the optimizer of `model` keep a statistic of the gradients of some weights.

    Each statistic is a float32 variable of the shape of its weight, whatever the weight's dtype,
    and one of `optimizer.variables`: every trainer handles it, and
    `kerasopt.callbacks.BackupAndRestore` saves it. Files that Keras writes do not contain it.
    Several rules may watch one weight; they run one after the other. Compiled functions must be
    renewed afterwards (`kerasopt.parametrization.Attachments` does so), and under a `tf.distribute`
    strategy this function must be called in its scope.

    Example:

    ```python
    def mean_gradient(statistic, weight, gradient):
        return 0.9 * statistic + 0.1 * gradient, gradient

    (statistic,) = watch_gradients(model, [model.layers[1].kernel], mean_gradient, "mean_gradient")
    model.fit(x, y)
    unwatch_gradients(model, [statistic])
    ```

    Args:
        model: A compiled model. Its optimizer is built if necessary.
        variables: List of trainable (stored) variables of the model.
        rule: Pure function in `keras.ops`: `rule(statistic, weight, gradient)`
            returns the new statistic and the gradient that the optimizer applies.
            It is called before the weight is updated; all are float32 tensors of
            the weight's shape.
        name: String, the name of the statistics. A rule of the same name for the same weight, from
            an interrupted training, is removed.
        initializer: Initializer of the statistics, or its name.

    Returns:
        List of the statistics, in the order of `variables`.

    Raises:
        ValueError: If the model is not compiled, or a variable or its layer is not trainable.
    """
    _check(model, variables)
    build_optimizer(model)
    optimizer, hooks = hook(model)
    statistics = []
    for variable in variables:
        watching = hooks.watches.setdefault(key_of(optimizer, variable), [])
        for stale in [watch for watch in watching if watch.name == name]:
            _remove(optimizer, stale.statistic)
            watching.remove(stale)
        statistic = optimizer.add_variable(
            shape=variable.shape,
            initializer=initializer,
            dtype="float32",
            layout=layout_of(variable),
            name=f"{variable.path.replace('/', '_')}_{name}",
        )
        watching.append(Watch(name, statistic, rule))
        statistics.append(statistic)
    return statistics


def unwatch_gradients(model: keras.Model, statistics: list[keras.Variable]) -> None:
    """Removes statistics from the optimizer of `model`.

    Without any statistics, the optimizer gets its own class and its original
    variables back.

    Args:
        model: The model that was passed to `watch_gradients`. If it was
            compiled since then, there is nothing to remove.
        statistics: List of variables that `watch_gradients` returned.
    """
    optimizer = updating(model.optimizer)
    watches = hooks_of(optimizer).watches
    removed = {id(statistic) for statistic in statistics}
    for key, watching in list(watches.items()):
        for watch in [watch for watch in watching if id(watch.statistic) in removed]:
            _remove(optimizer, watch.statistic)
            watching.remove(watch)
        if not watching:
            del watches[key]
    unhook(model)


def remove_hooks(model: keras.Model) -> None:
    """Removes all statistics and learning rates that an interrupted training may have left."""
    if getattr(model, "optimizer", None) is not None:
        hooks = hooks_of(model.optimizer)
        hooks.rates.clear()
        unwatch_gradients(model, hooks.statistics)


def _remove(optimizer, statistic) -> None:
    set_variables(
        optimizer, [each for each in tracked_variables(optimizer) if each is not statistic]
    )


def _check(model, variables) -> None:
    if model.optimizer is None:
        raise ValueError(
            "Gradient statistics are gathered in the optimizer: compile the model with one. "
            f"Received: model={model.name}"
        )
    reached = {id(variable) for variable in model.trainable_variables}
    if model.optimizer.built:
        reached &= {id(known) for known in trained_variables(updating(model.optimizer))}
    frozen = {id(variable) for variable in variables} - reached
    if frozen:
        layers = [
            path for path, layer in graph.layers(model) if frozen & set(map(id, own_state(layer)))
        ]
        raise ValueError(
            f"{len(frozen)} weights have no gradient, since they are not trainable. Exclude their "
            "layers with a rule `(name, None)`, unfreeze them and compile the model again, or pass "
            f"a criterion that needs no gradients. Received: layers={layers}"
        )
