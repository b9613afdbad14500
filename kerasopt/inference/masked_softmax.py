"""Softmax of scores with a mask, between layers of integers."""

from __future__ import annotations

from typing import Any

import keras

# Its exponential is 0 beside that of any score.
_LARGE_NEGATIVE = -1e30


@keras.saving.register_keras_serializable(package="kerasopt")
class MaskedSoftmax(keras.layers.Softmax):
    """Softmax of the scores of an attention along the last axis, some of which are left out.

    It computes in float32: what is masked has a weight of exactly 0, which no integer score gives.

    Input: float32 of shape `(..., queries, keys)`, and perhaps a boolean mask that broadcasts to
    it. Output: float32 of the same shape.

    Args:
        is_causal: Whether a query sees no later keys.
        window: Integer: a query sees keys that are less than so many positions away. `None`: all.
        spreads: Whether the weights of a query that sees no key are equal, as in Keras' fused
            attention; else they are 0, as in its layer.
        **kwargs: The arguments of `keras.layers.Softmax`.
    """

    def __init__(
        self,
        is_causal: bool = False,
        window: int | None = None,
        spreads: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.is_causal, self.window, self.spreads = is_causal, window, spreads

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
        if self.spreads and conditions:
            return super().call(keras.ops.where(conditions[0], inputs, _LARGE_NEGATIVE))
        return super().call(inputs, mask=conditions[0] if conditions else None)

    def get_config(self) -> dict[str, Any]:
        own = {"is_causal": self.is_causal, "window": self.window, "spreads": self.spreads}
        return {**super().get_config(), **own}
