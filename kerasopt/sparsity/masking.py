"""Attaches masks to a model, according to a pattern."""

import math
from collections.abc import Iterable, Iterator, Sequence

import keras

from kerasopt import graph
from kerasopt.keras_internals.attention import PROJECTIONS
from kerasopt.keras_internals.layers import flattened
from kerasopt.parametrization import Attachments
from kerasopt.sparsity import patterns
from kerasopt.sparsity.mask import Mask
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.output_channels import OutputChannels
from kerasopt.sparsity.patterns import Filter, Head, Pattern
from kerasopt.sparsity.target import Target
from kerasopt.warning import warn


def attach_masks(
    model: keras.Model, pattern: str | Pattern = "element", rules: Sequence = ()
) -> list[Target]:
    """Attaches masks to the kernels of a model, for a custom training loop.

    With `model.fit`, use `kerasopt.callbacks.Pruning` instead. Attach before the first step is
    traced.

    Example:

    ```python
    targets = ko.sparsity.attach_masks(model)
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin=100, end=800, frequency=50)
    for step, (x, y) in enumerate(data):
        model.train_on_batch(x, y)
        if schedule.last_due(step) == step:
            ko.sparsity.update_masks(targets, schedule(step), scope="lamp")
    ```

    Args:
        model: A built Keras model.
        pattern: As in `kerasopt.callbacks.Pruning`.
        rules: List of (selector, boolean), first match wins: whether to prune a
            layer, or a weight. Selectors are those of `kerasopt.callbacks.Pruning`.

    Returns:
        List of `Target`, for `update_masks`.

    Raises:
        ValueError: If there is nothing to prune, or if the pattern does not fit a layer that a rule
            names.
    """
    pattern = patterns.get(pattern)
    attachments = Attachments(model)
    rules = [(rule.selector, rule.argument or None) for rule in graph.parse_rules(rules)]
    selected = select_masked(model, pattern, rules, True, only_trained=True)
    try:
        made = make_targets(model, selected, pattern, attachments)
    except ValueError:
        attachments.undo()
        raise
    attachments.finish()
    return [target for targets in made for target in targets]


def select_masked(
    model: keras.Model, pattern: Pattern, rules, default, only_trained: bool = False
) -> list[graph.WeightSelection]:
    """Returns the weights to prune: those that rules name, and kernels that the pattern fits.

    Filters of the last layer are the outputs of the model: they are not pruned unless a rule names
    the layer.

    Args:
        model: The model.
        pattern: A `Pattern`.
        rules: List of (selector, argument), first match wins.
        default: The argument of weights that no rule matches.
        only_trained: Boolean, whether frozen layers are left out unless a rule names them.

    Raises:
        ValueError: If there is nothing to prune.

    Warns:
        UserWarning: If it is unknown which layer is the last, or if a large share of the model is
            in matrices that are not called `kernel`.
    """
    graph.require_built(model)
    kept = _last_layers(model) if isinstance(pattern, Filter) else set()
    frozen = graph.frozen_layers(model) if only_trained else set()
    selected = graph.select_weights(
        graph.layers(model),
        lambda layer: _standing(layer, pattern),
        rules,
        default,
        lambda layer: _fits(layer, pattern) and id(layer) not in kept,
        frozen,
    )
    if not selected:
        raise ValueError(_nothing_to_prune(model, pattern, rules, frozen))
    _warn_of_matrices(model, rules, selected)
    return selected


def _warn_of_matrices(model, rules, selected):
    chosen = {(id(each.layer), name) for each in selected for name in each.weights}
    left = graph.large_matrices_left_out(model, rules, chosen)
    if left:
        added = ", ".join(f'("{path}", 0.5)' for path in list(left)[:3])
        warn(
            f"{sum(left.values()):,} values of '{model.name}' stay dense, since their weights are "
            f"not called `kernel`. Pass rules=[{added}] to prune them, or the same with None "
            f"instead of the sparsity to silence this warning. Received: weights {list(left)}",
        )


def _nothing_to_prune(model, pattern, rules, frozen):
    fitting = [layer for _, layer in graph.layers(model) if _fits(layer, pattern)]
    if not rules and fitting and all(id(layer) in frozen for layer in fitting):
        return (
            f"Model '{model.name}' has nothing to prune: all of its layers with kernels are frozen "
            "(`trainable=False`). Make them trainable, or name them in `rules`. Received: "
            f"model={model.name}"
        )
    return (
        f"Model '{model.name}' has nothing to prune: pattern '{pattern.alias}' fits no kernel of "
        f"the trainable layers that the rules do not exclude. {_others(model, rules)}Received: "
        f"rules for {[selector for selector, _ in rules]}"
    )


def _others(model, rules):
    left = list(graph.large_matrices_left_out(model, rules))
    return f"A rule can name other weights, such as {left[0]!r}. " if left else ""


def make_targets(
    model: keras.Model,
    selected: Iterable[graph.WeightSelection],
    pattern: Pattern,
    attachments: Attachments,
) -> list[list[Target]]:
    """Attaches masks to weights; returns the targets of each selection.

    Args:
        model: The model, to find the layers that follow a layer.
        selected: The weights, from `select_masked`.
        pattern: A `Pattern`.
        attachments: `Attachments` to the model.

    Raises:
        ValueError: If the pattern does not fit one of the weights.
    """
    make = _TargetMaker(model, pattern, attachments)
    return [list(make.targets(path, layer, names)) for path, layer, _, names in selected]


class _TargetMaker:
    def __init__(self, model, pattern, attachments):
        self._pattern = pattern
        self._attachments = attachments
        self._channels = OutputChannels(model) if isinstance(pattern, Filter) else None

    def targets(self, path, layer, names) -> Iterator[Target]:
        if isinstance(self._pattern, Head):
            yield self._of_heads(path, layer, names)
            return
        for name in names:
            target = Target(self._pattern, [self._masked(path, layer, name)])
            if self._channels is not None:
                count = target.members[0].grouping.count
                target.followers = [
                    self._masked(at, owner, vector)
                    for at, owner, vector in self._channels.vectors(path, layer, name)
                    if math.prod(getattr(owner, vector).shape) == count
                ]
            yield target

    def _of_heads(self, path, layer, names):
        if names != PROJECTIONS:
            raise ValueError(
                "A head consists of parts of all kernels of an attention layer, so with pattern "
                "'head' a rule must name the layer, not one of its weights. Received: "
                f"{path}/{names[0]}"
            )
        kernels = [(f"{path}/{attribute}", getattr(layer, attribute)) for attribute in PROJECTIONS]
        biases = [(at, inner) for at, inner in kernels[:3] if inner.bias is not None]
        members = [self._masked(at, inner, "kernel") for at, inner in kernels]
        return Target(self._pattern, members, [self._masked(*at, "bias") for at in biases])

    def _masked(self, path, layer, name):
        layout = graph.kernel_layout(layer, name)
        shape = tuple(getattr(layer, name).shape)
        self._pattern.check(f"{path}/{name}", shape, layout)
        grouping = self._pattern.grouping(shape, layout)
        number = len(self._attachments.links)
        link = self._attachments.put(path, layer, name, Mask())
        return MaskedWeight(number, path, layer, name, link, layout, grouping)


def _standing(layer, pattern) -> tuple[str, ...]:
    """Returns the names of the weights that a rule selects by naming their layer."""
    if isinstance(pattern, Head):
        return PROJECTIONS if _fits(layer, pattern) else ()
    # If the pattern fits none of them, naming the layer raises an error that says so.
    return tuple(_fitting(layer, pattern)) or graph.weight_names(layer)


def _fits(layer, pattern):
    if isinstance(pattern, Head):
        return isinstance(layer, keras.layers.MultiHeadAttention)
    return bool(graph.kernel_names(layer) and _fitting(layer, pattern))


def _fitting(layer, pattern) -> list[str]:
    """Returns the names of the weights that the pattern fits."""
    return [
        name
        for name in graph.weight_names(layer)
        if pattern.applies(tuple(getattr(layer, name).shape), graph.kernel_layout(layer, name))
    ]


def _last_layers(model) -> set[int]:
    """Returns the ids of the layers with kernels that no other such layer follows."""
    calls = graph.Graph.of(model).nodes
    if not calls:
        warn(
            f"Model '{model.name}' cannot be recorded, so it is unknown which layer is the last "
            "and which batch normalization follows which layer: the filters of all layers are "
            "pruned, and normalizations are not. Exclude the last layer with a rule `(name, "
            "None)`.",
        )
    last: set[int] = set()
    before: set[int] = set()  # calls with a kernel in them or after them
    for node in reversed(calls):
        if any(id(reader) in before for reader in node.consumers):
            before.add(id(node))
        elif node.is_layer and any(map(graph.kernel_names, flattened(node.operation))):
            before.add(id(node))
            last.update(map(id, flattened(node.operation)))
    return last
