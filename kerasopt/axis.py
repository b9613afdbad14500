"""What the axes of all techniques have in common: small objects known by an alias."""

from typing import Any

import keras


class Axis:
    """A choice along one axis of a technique, without state."""

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def resolve(identifier: Any, axis: type, aliases: dict[str, type], argument: str) -> Any:
    """Returns the choice that an alias, a config or the object itself stands for.

    Args:
        identifier: What the user passed.
        axis: The base class of the axis.
        aliases: Dict of alias to class.
        argument: The name of the user's argument, for the error.

    Raises:
        ValueError: If `identifier` stands for none.
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, str) and identifier in aliases:
        return aliases[identifier]()
    if isinstance(identifier, axis):
        return identifier
    raise ValueError(
        f"`{argument}` must be a `{_room(axis)}.{axis.__name__}` or one of "
        f"{sorted(aliases)}. Received: {argument}={identifier!r}"
    )


def _room(axis: type) -> str:
    return ".".join(axis.__module__.split(".")[:2])
