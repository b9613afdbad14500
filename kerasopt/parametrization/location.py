"""Finds a weight by its path, and the layer whose config must record its parametrizations."""

from typing import Any, NamedTuple

import keras

from kerasopt.graph.inner_operation import PREFIX, add_inner_operation, inner_operation
from kerasopt.keras_internals.graphs import Functional, is_made_of_configs


class Location(NamedTuple):
    """The location of a weight, an input or an output.

    Attributes:
        layer: The layer that reads it, or the operation of a graph that can become one.
        slot: String, its attribute name, or one of `ACTIVATION_SLOTS`.
        owner: The outermost layer on the path whose own code re-creates its inner layers when it is
            loaded: its config must record their parametrizations. `layer` itself if there is none.
        path: String, the path from `owner`, which stays valid when the owner is
            loaded again and automatic names have changed.
        functional: The last functional model on the path, or `None`.
        holder: The layer before the last one on the path, whose code calls `layer`.
    """

    layer: keras.layers.Layer
    slot: str
    owner: keras.layers.Layer
    path: str
    functional: Functional | None
    holder: keras.layers.Layer


def locate(root: keras.layers.Layer, path: str, operations: bool = False) -> Location:
    """Follows `path` from `root`.

    Steps lead from a functional or sequential model to a layer by its name, and
    from any other layer along its attributes, list indices and dict keys, as in
    `"encoder/cell/recurrent_kernel"` or `"blocks/0/dense/kernel"`.

    Args:
        root: A layer or model.
        path: String.
        operations: Boolean, whether the path may lead to an operation that is not a layer.

    Raises:
        ValueError: If there is nothing at the path.
    """
    *steps, slot = path.split("/")
    current: Any = root
    holder = root
    functional = None
    owner = None if is_rebuilt_from_configs(root) else root
    own_steps: list[str] = []
    for step in steps:
        functional = current if isinstance(current, Functional) else functional
        holder = current if isinstance(current, keras.layers.Layer) else holder
        canonical, current = _follow(current, step, root, path, operations)
        if owner is not None:
            own_steps.append(canonical)
        elif isinstance(current, keras.layers.Layer) and not is_rebuilt_from_configs(current):
            owner = current
    if not isinstance(current, keras.Operation if operations else keras.layers.Layer):
        raise ValueError(_nowhere(root, steps[-1], path))
    if owner is None:
        owner = current
    return Location(current, slot, owner, "/".join([*own_steps, slot]), functional, holder)


def _follow(current, step, root, path, operations):
    """Returns the step in a stable form, and the object that it leads to."""
    if isinstance(current, keras.Layer):
        key = step.removeprefix(PREFIX)
        if operations and key != step:
            return step, add_inner_operation(current, key)
        inner = inner_operation(current, key)
        if inner is not None:
            return PREFIX + key, inner
    # Operations count, since attaching to them turns them into layers.
    named = "operations" if isinstance(current, Functional) else "layers"
    if isinstance(current, (Functional, keras.Sequential)):
        for index, layer in enumerate(getattr(current, named)):
            if layer.name == step:
                return f"{named}/{index}", layer
    try:
        if isinstance(current, (list, tuple)):
            return step, current[int(step)]
        return step, current[step] if isinstance(current, dict) else getattr(current, step)
    except (AttributeError, IndexError, KeyError, ValueError):
        raise ValueError(_nowhere(root, step, path)) from None


def _nowhere(root, step, path):
    return (
        f"There is no layer at '{step}' in '{root.name}'. `kerasopt.graph.layers(model)` lists the "
        f"paths. Received: weight='{path}'"
    )


def is_rebuilt_from_configs(layer) -> bool:
    """Whether the inner layers of a layer are re-created from configs, not by its own code."""
    return isinstance(layer, keras.Sequential) or is_made_of_configs(layer)
