"""Operations of `keras.ops` as layers, which can have state."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph.opening.sized_operation import SizedOperation
from kerasopt.keras_internals.calls import take_arguments_of


@keras.saving.register_keras_serializable(package="kerasopt")
class OperationLayer(keras.layers.Layer):
    """A layer that computes a Keras operation.

    `x + y` and `keras.ops.multiply(x, y)` are operations in a functional model, which cannot have
    variables. This layer computes the same, but can.

    Args:
        operation: The `keras.Operation` to compute. It must not be a layer.
        **kwargs: The arguments of `keras.layers.Layer`.

    Raises:
        TypeError: If `operation` is not an operation, or is a layer.
    """

    def __init__(self, operation: keras.Operation, **kwargs: Any):
        if not isinstance(operation, keras.Operation) or isinstance(operation, keras.Layer):
            raise TypeError(
                "`operation` must be a `keras.Operation` that is not a layer. Received: "
                f"operation={operation} (of type {type(operation).__name__})"
            )
        super().__init__(autocast=kwargs.pop("autocast", False), **kwargs)
        self.operation = operation
        # The arguments are those of the operation: constants included, tensors in any position.
        take_arguments_of(self, operation.call)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        own = self.operation
        # A layer that the code of another one makes in its call is built by its own.
        return (own if isinstance(own, keras.Layer) else own.call)(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        return self.operation.compute_output_spec(*args, **kwargs)

    @property
    def supports_masking(self) -> bool:
        return True  # like an operation: it accepts masked inputs and drops the mask

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["operation"] = keras.saving.serialize_keras_object(self.operation)
        config["autocast"] = self.autocast
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> OperationLayer:
        config = dict(config)
        config["operation"] = keras.saving.deserialize_keras_object(config["operation"])
        return cls(**config)


def without_layer(operation: keras.Operation) -> keras.Operation:
    """Returns the operation inside an `OperationLayer`, or `operation` itself."""
    return operation.operation if isinstance(operation, OperationLayer) else operation


def unwrap(operation: keras.Operation) -> keras.Operation:
    """Returns the operation to ask what an operation does.

    This is the one inside an `OperationLayer`; of one that depends on sizes, it has any sizes.
    """
    operation = without_layer(operation)
    if isinstance(operation, SizedOperation) and not operation.creates:
        operation = operation.target
    return operation
