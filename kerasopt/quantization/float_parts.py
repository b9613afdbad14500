"""The parts of a quantized model that compute in float, and why."""

from __future__ import annotations

import keras

from kerasopt import graph
from kerasopt.graph import Group, Groups
from kerasopt.keras_internals.layers import inner_layers
from kerasopt.parametrization import links_by_slot, links_of
from kerasopt.quantization.integer_groups import exact_groups, is_quantizable
from kerasopt.quantization.quantizer import Quantizer


def float_parts(model: keras.Model) -> dict[str, str]:
    """Returns the parts of a model with quantizers that stay float, each with the reason.

    `QuantizationAware` and `ko.quantize` leave unsupported parts in float
    instead of raising an error; this function lists them. Not listed are
    operations that only move values, compute masks or indices, or follow the
    last quantizer without having weights (a final softmax).

    Example:

    ```python
    for path, reason in ko.quantization.float_parts(model).items():
        print(f"{path}: {reason}")
    ```

    Args:
        model: A built model, from `QuantizationAware` or `ko.quantize`.

    Returns:
        Dict of the path of a layer or operation to the reason.
    """
    found: dict[str, str] = {}
    groups = Groups(graph.Graph.of(model))
    exact, masks = exact_groups(groups), graph.masked(groups.graph)
    for group in groups:
        counts = group.anchor.is_input or graph.is_bookkeeping(group.output)
        reason = None if counts else _reason(group, id(group) in exact, groups.graph.closed)
        if reason is not None and graph.is_masked(group.anchor, masks):
            reason = MASKED
        if reason is not None and (_before_quantizers(group) or _has_weights(group)):
            found[group.anchor.path] = reason
    visible = {id(node.operation) for node in groups.graph}
    for path, layer in graph.layers(model):
        if id(layer) not in visible and graph.kernel_names(layer) and not _is_quantized(layer):
            found[path] = "no rule quantizes it"
    for path, why in groups.graph.closed.items():
        inside = f"{path}/" if path else ""
        if any(each.startswith(inside) for each, _ in _quantized_layers(model)):
            found[path or model.name] = why
    return found


def _quantized_layers(model):
    return [(path, layer) for path, layer in graph.layers(model) if _is_quantized(layer)]


MASKED = "it has a mask among its values, which stay exact"
_HIDDEN = "the operations between its layers are not recorded; weights and inputs are rounded"


def _reason(group: Group, is_exact: bool, closed: dict[str, str]) -> str | None:
    operation = graph.unwrap(group.anchor.operation)
    if group.transparent or any(
        links_of(node.operation, "output", Quantizer) for node in group.nodes
    ):
        return None
    if _is_quantized(group.anchor.operation):
        if graph.activation_bounds(group.anchor.operation) is None:
            return "its own activation has no integer form"
        # Its output has the scale of a concatenation, or the spec is weight-only.
        return None
    if graph.has_kernel(operation):
        return "no rule quantizes it"
    if isinstance(operation, keras.Layer) and inner_layers(operation):
        return closed.get(group.anchor.path, _HIDDEN)
    if graph.matrix_product(group.anchor) is not None:
        return "no quantizer rounds what it multiplies"
    if is_quantizable(operation) and not is_exact:
        return "it is not between integer operations"
    return f"{type(operation).__name__} has no integer form"


def _is_quantized(operation) -> bool:
    return bool(links_by_slot(operation, Quantizer))


def _before_quantizers(group: Group) -> bool:
    """Whether a group with a quantizer follows."""
    nodes, seen = list(group.output.consumers), set()
    while nodes:
        node = nodes.pop()
        if _is_quantized(node.operation):
            return True
        if id(node) not in seen:
            seen.add(id(node))
            nodes += node.consumers
    return False


def _has_weights(group: Group) -> bool:
    return any(node.is_layer and node.operation.weights for node in group.nodes)
