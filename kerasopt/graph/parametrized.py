"""Properties of parametrized layers that the graph needs."""

from collections.abc import Sequence
from typing import Any

import keras


def own_class(operation: keras.Operation) -> type:
    """Returns the class of a layer without parametrization."""
    return getattr(type(operation), "_own_class", type(operation))


def slots_of(operation: keras.Operation) -> tuple[str, ...]:
    """Returns the parametrized slots of a layer; none for a plain layer."""
    # Read from the class, since a custom layer may have an attribute of that name.
    cls = type(operation)
    return getattr(cls, "slots", ()) if cls is not own_class(operation) else ()


def chain_name(slot: str) -> str:
    """Returns the name of the attribute with the chain of a slot."""
    return f"{slot}_chain"


def data_among(tensors: Sequence[Any]) -> list[Any]:
    """Returns the tensors of a call that a chain of its input reads.

    Beside floats, integers and booleans are indices and masks. Alone, they are data.
    """
    floats = [
        x for x in tensors if keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype))
    ]
    return floats or list(tensors)
