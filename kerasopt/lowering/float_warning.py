"""The warning that says what stays float, and why."""

from __future__ import annotations

import keras

from kerasopt.graph import Group, Node, has_kernel, is_bookkeeping
from kerasopt.warning import warn


def warn_about_floats(model: keras.Model, floats: dict[Group, str], passes_integers: bool) -> None:
    """Names what stays float and matters.

    That leaves out what has no weights and only prepares the outputs, or only moves values
    of a float tensor, or makes masks and indices. Where layers pass no integers on, only kernels
    could be more than float.
    """
    nodes = {node: None for group in floats for node in group.nodes}  # in their order
    before_integers: set[Node] = set()
    for node in reversed(nodes):
        if any(it not in nodes or it in before_integers for it in node.consumers):
            before_integers.add(node)
    reasons: dict[str, list[str]] = {}
    for group, reason in floats.items():
        moves = group.transparent or is_bookkeeping(group.output)
        if passes_integers:
            matters = _has_weights(group) or (group.output in before_integers and not moves)
        else:
            matters = has_kernel(group.anchor.operation)
        if matters:
            reasons.setdefault(reason, []).append(group.anchor.path)
    warn_of_reasons(model, reasons)


def warn_of_reasons(model: keras.Model, reasons: dict[str, list[str]]) -> None:
    """Names what stays float: the paths for each reason."""
    if reasons:
        lines = [f"  {reason}: {_shortened(paths)}" for reason, paths in reasons.items()]
        warn(f"Parts of '{model.name}' stay in float32:\n" + "\n".join(lines))


def _has_weights(group: Group) -> bool:
    return any(node.is_layer and node.operation.weights for node in group.nodes)


def _shortened(paths: list[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"
