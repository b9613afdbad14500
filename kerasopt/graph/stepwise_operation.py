"""Attention of `keras.ops` in a functional model, computed by its steps."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt.graph.dot_product_attention import attend
from kerasopt.graph.operation_layer import OperationLayer


@keras.saving.register_keras_serializable(package="kerasopt")
class StepwiseOperation(OperationLayer):
    """A layer that computes `keras.ops.dot_product_attention` by others, which graphs contain.

    Args:
        operation: The `keras.Operation`.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return attend(*args, **{**kwargs, "is_causal": self.operation.is_causal})
