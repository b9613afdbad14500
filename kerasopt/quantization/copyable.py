"""Layers that serve as prototypes."""

import keras


class Copyable:
    """A stateless layer that serves as a prototype for others.

    A subclass returns its constructor arguments in `arguments`, for its config
    and its copies. (Not from a config, since Keras loads TensorFlow to create
    one.)
    """

    def arguments(self) -> dict:
        """Returns the arguments of the constructor."""
        return {}

    def like(self, **arguments):
        """Returns a copy of this layer with some arguments replaced."""
        return type(self)(**{**self.arguments(), **arguments})

    def equals(self, other) -> bool:
        """Whether `other` has the same class and equal arguments, except for `enabled`."""
        if type(self) is not type(other):
            return False
        own, others = self.arguments(), other.arguments()
        return all(
            value.equals(others[name]) if isinstance(value, Copyable) else value == others[name]
            for name, value in own.items()
            if name != "enabled"
        )

    def described(self) -> str:
        """Returns the constructor call as a string, without `enabled`."""
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
