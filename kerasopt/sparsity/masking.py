"""Putting masks on a model, by a pattern."""

import math
from collections.abc import Iterable, Iterator

import keras

from kerasopt import graph
from kerasopt.parametrization import Attachments
from kerasopt.sparsity import patterns
from kerasopt.sparsity.mask import Mask
from kerasopt.sparsity.masked_weight import MaskedWeight
from kerasopt.sparsity.patterns import Filter, Head, Pattern
from kerasopt.sparsity.target import Target

_PROJECTIONS = ("_query_dense", "_key_dense", "_value_dense", "_output_dense")


def attach_masks(
    model: keras.Model, pattern: str | Pattern = "element", rules: Iterable = ()
) -> list[Target]:
    """Puts masks on the kernels of a model, for a training loop of your own.

    `model.fit` needs `kerasopt.callbacks.Pruning` and nothing of this. Attach
    before the first step is traced.

    Example:

    ```python
    targets = ko.sparsity.attach_masks(model)
    schedule = ko.schedules.PolynomialDecay(0.0, 0.8, begin=100, end=800, frequency=50)
    for step, (x, y) in enumerate(data):
        train_step(x, y)
        if schedule.last_due(step) == step:
            ko.sparsity.update_masks(targets, schedule(step), scope="global")
    ```

    Args:
        model: A built Keras model.
        pattern: As in `kerasopt.callbacks.Pruning`.
        rules: List of (selector, boolean), first match wins: whether to prune a
            layer. Selectors are those of `kerasopt.callbacks.Pruning`.

    Returns:
        List of `Target`, for `update_masks`.

    Raises:
        ValueError: If there is nothing to prune, or the pattern does not fit a
            layer that a rule names.
    """
    pattern = patterns.get(pattern)
    attachments = Attachments(model)
    rules = [(selector, wanted or None) for selector, wanted in rules]
    selected = select_layers(model, pattern, rules, default=True)
    try:
        targets = [
            target
            for path, layer, _ in selected
            for target in make_targets(model, path, layer, pattern, attachments)
        ]
    except ValueError:
        attachments.undo()
        raise
    attachments.finish()
    return targets


def select_layers(model: keras.Model, pattern: Pattern, rules, default) -> list[graph.Selection]:
    """Returns the layers to prune: those that the rules name, and else all that the pattern fits.

    Filters of the last layer are its outputs: they stay, unless a rule names it.

    Raises:
        ValueError: If there is none.
    """
    kept = _last_layers(model) if isinstance(pattern, Filter) else set()
    selected = [
        selection
        for selection in graph.select(
            graph.layers(model),
            rules,
            default,
            lambda layer: _fits(layer, pattern) and id(layer) not in kept,
        )
        if _is_prunable(selection.layer, pattern)
    ]
    if not selected:
        raise ValueError(
            f"Model '{model.name}' has no weight to prune: no layer that the rules leave has a "
            f"kernel with the groups of pattern '{pattern.alias}'. Received: rules={rules}"
        )
    return selected


def make_targets(
    model: keras.Model,
    path: str,
    layer: keras.layers.Layer,
    pattern: Pattern,
    attachments: Attachments,
) -> list[Target]:
    """Puts masks on the weights of a layer, and returns what is pruned as one.

    Args:
        model: The model, for what follows the layer in it.
        path: String, the path of the layer.
        layer: The layer.
        pattern: A `Pattern`.
        attachments: `Attachments` to the model.

    Raises:
        ValueError: If the pattern does not fit one of the weights.
    """

    def masked(path, layer, name):
        layout = graph.kernel_layout(layer, name)
        shape = tuple(getattr(layer, name).shape)
        pattern.check(f"{path}/{name}", shape, layout)
        grouping = pattern.grouping(shape, layout)
        link = attachments.put(path, layer, name, Mask())
        return MaskedWeight(path, layer, name, link, layout, grouping)

    if isinstance(pattern, Head):
        kernels = [(f"{path}/{attribute}", getattr(layer, attribute)) for attribute in _PROJECTIONS]
        biases = [(at, inner) for at, inner in kernels[:3] if inner.bias is not None]
        members = [masked(at, inner, "kernel") for at, inner in kernels]
        return [Target(pattern, members, [masked(at, inner, "bias") for at, inner in biases])]
    targets = []
    for name in _fitting(layer, pattern) or graph.weight_names(layer):
        target = Target(pattern, [masked(path, layer, name)])
        if isinstance(pattern, Filter):
            vectors = _of_output_channels(model, path, layer, name)
            count = target.members[0].grouping.count
            target.followers = [
                masked(at, owner, vector)
                for at, owner, vector in vectors
                if math.prod(getattr(owner, vector).shape) == count
            ]
        targets.append(target)
    return targets


def _is_prunable(layer, pattern):
    if isinstance(pattern, Head):
        return isinstance(layer, keras.layers.MultiHeadAttention)
    return bool(graph.weight_names(layer))


def _fits(layer, pattern):
    if isinstance(pattern, Head):
        return _is_prunable(layer, pattern)
    return bool(graph.kernel_names(layer) and _fitting(layer, pattern))


def _fitting(layer, pattern) -> list[str]:
    """Returns the names of the weights that the pattern can cut into groups."""
    return [
        name
        for name in graph.weight_names(layer)
        if pattern.applies(tuple(getattr(layer, name).shape), graph.kernel_layout(layer, name))
    ]


def _last_layers(model) -> set[int]:
    """Returns the ids of the layers with kernels that no other such layer follows."""
    last = set()
    before: set[int] = set()  # calls with a kernel in them, or after them
    for node in reversed(graph.Graph.of(model).nodes):
        if any(id(reader) in before for reader in node.consumers):
            before.add(id(node))
        elif node.is_layer and any(map(graph.kernel_names, node.operation._flatten_layers())):
            before.add(id(node))
            last.add(id(node.operation))
    return last


def _of_output_channels(model, path, layer, name) -> Iterator[tuple]:
    """Yields (path, layer, name) of the vectors that belong to the outputs of a kernel."""
    # The other kernels of a layer (an RNN's cell, a separable convolution) share its bias.
    if name not in ("kernel", "pointwise_kernel") or hasattr(layer, "recurrent_kernel"):
        return
    if getattr(layer, "bias", None) is not None:
        yield path, layer, "bias"
    for group in graph.Groups(graph.Graph.of(model)):
        if group.anchor.operation is layer and group.batch_normalization is not None:
            node = group.batch_normalization
            vectors = [("gamma", node.operation.scale), ("beta", node.operation.center)]
            for vector, present in vectors:
                if present:
                    yield node.path, node.operation, vector
            return
