"""Softmax of scores with a mask, between layers of integers."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kerasopt")
class MaskedSoftmax(keras.layers.Softmax):
    """Softmax of the scores of an attention along the last axis, some of which are left out.

    It computes in float32: what is masked has a weight of exactly 0, which no integer score gives.

    Input: float32 of shape `(..., queries, keys)`, and perhaps a boolean mask that broadcasts to
    it. Output: float32 of the same shape.

    Args:
        is_causal: Whether a query sees no later keys.
        window: Integer: a query sees keys that are less than so many positions away. `None`: all.
        **kwargs: The arguments of `keras.layers.Softmax`.
    """

    def __init__(self, is_causal: bool = False, window: int | None = None, **kwargs: Any):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.is_causal, self.window = is_causal, window

    def call(self, inputs: Any, mask: Any = None) -> Any:
        shape = keras.ops.shape(inputs)
        queries = keras.ops.expand_dims(keras.ops.arange(shape[-2], dtype="int32"), -1)
        keys = keras.ops.expand_dims(keras.ops.arange(shape[-1], dtype="int32"), 0)
        conditions = [] if mask is None else [mask]
        if self.is_causal:
            conditions.append(keras.ops.greater_equal(queries, keys))
        if self.window is not None:
            conditions.append(keras.ops.less(keras.ops.abs(queries - keys), self.window))
        for condition in conditions[1:]:
            conditions[0] = keras.ops.logical_and(conditions[0], condition)
        return super().call(inputs, mask=conditions[0] if conditions else None)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "is_causal": self.is_causal, "window": self.window}
