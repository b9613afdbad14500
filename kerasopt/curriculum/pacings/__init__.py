"""Pacing functions: the share of samples in use. Each function is a file in this package."""

from typing import Any

import keras

from kerasopt.axis import find_class
from kerasopt.curriculum.pacings.pacing import PACINGS, Pacing

PACINGS.load(__name__)

__all__ = ["Pacing", "deserialize", "get", "register", "serialize", *PACINGS.classes]

register = PACINGS.register


def serialize(pacing) -> dict:
    """Returns the config of a pacing function, like Keras' `serialize` functions."""
    return keras.saving.serialize_keras_object(pacing)


def deserialize(config: dict):
    """Returns the pacing function of a config that `serialize` returned."""
    return keras.saving.deserialize_keras_object(config)


def get(identifier):
    """Resolves a pacing function, as Keras' `get` functions do.

    Args:
        identifier: `"root"`, `"linear"`, a config dict, or a callable that takes the progress, a
            float in `[0, 1]`, and returns the share, a float in `(0, 1]`.

    Returns:
        The pacing function.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, (str, dict, Pacing)):
        return PACINGS.get(identifier)
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise ValueError(
        f"`pacing` must be one of {sorted(PACINGS.aliases)} or a callable from progress to share. "
        f"Received: pacing={identifier!r}"
    )


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, PACINGS)
