"""Layers of which copies are made."""

import keras


class Copyable:
    """A layer without state that others are copied from.

    A subclass says its own arguments in `arguments`; its config and its copies
    have them. (A config alone would do, but to make one Keras loads TensorFlow.)
    """

    def arguments(self) -> dict:
        """Returns the arguments of the constructor, as they are."""
        return {}

    def like(self, **arguments):
        """Returns a new layer as this one, but for some arguments."""
        return type(self)(**{**self.arguments(), **arguments})

    def equals(self, other) -> bool:
        """Whether `other` is of the same class, with equal arguments but for `enabled`."""
        if type(self) is not type(other):
            return False
        own, others = self.arguments(), other.arguments()
        return all(
            value.equals(others[name]) if isinstance(value, Copyable) else value == others[name]
            for name, value in own.items()
            if name != "enabled"
        )

    def described(self) -> str:
        """Returns the layer as the call that makes it, without `enabled`."""
        arguments = [
            f"{name}={value.described() if isinstance(value, Copyable) else repr(value)}"
            for name, value in self.arguments().items()
            if name != "enabled"
        ]
        return f"{type(self).__name__}({', '.join(arguments)})"

    def get_config(self):
        return {
            **super().get_config(),
            **{name: _serialized(value) for name, value in self.arguments().items()},
        }


def _serialized(value):
    is_object = hasattr(value, "get_config")
    return keras.saving.serialize_keras_object(value) if is_object else value
