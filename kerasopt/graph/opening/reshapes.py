"""Reshapes with one size that Keras infers."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph.opening.sizes import has_size


def with_inferred_size(config: dict[str, Any], outputs: Any) -> dict[str, Any]:
    """Returns the arguments of an operation, with the size that a reshape infers if it is known."""
    if not isinstance(config.get("newshape"), (tuple, list)):
        return config
    shape = [
        known if type(size) is int and size < 0 and not has_size(known) else size
        for size, known in zip(config["newshape"], outputs.shape, strict=True)
    ]
    return {**config, "newshape": tuple(shape)}


def without_batch(target: Any, config: dict[str, Any]) -> keras.Operation | None:
    """Returns a reshape whose only unknown size is inferred, or `None`."""
    shape = config.get("newshape")
    if isinstance(target, str) or type(target).__name__ != "Reshape" or shape is None:
        return None
    unknown = [has_size(size) for size in shape]
    if sum(unknown) != 1 or any(type(size) is int and size < 0 for size in shape):
        return None
    sizes = zip(shape, unknown, strict=True)
    return type(target)([-1 if is_unknown else size for size, is_unknown in sizes])
