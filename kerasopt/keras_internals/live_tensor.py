"""A tensor that Keras takes for a symbolic one."""

import sys
from typing import Any

import keras


class LiveTensor(keras.KerasTensor):
    """A tensor with a value, which Keras handles like a symbolic one.

    Args:
        value: A tensor of the backend, in a graph, traced or neither.
    """

    def __init__(self, value: Any):
        super().__init__(value.shape, keras.backend.standardize_dtype(value.dtype), name="live")
        self.value = value

    @property
    def shape(self) -> tuple:
        """The shape: `None` for sizes that are not known, for `keras.ops.shape` tensors."""
        asks = sys._getframe(1).f_code is keras.ops.shape.__code__
        return keras.ops.shape(self.value) if asks else tuple(self.value.shape)

    @property
    def _keras_mask(self) -> Any:
        return self.value._keras_mask  # an `AttributeError` if there is none, as Keras expects

    @_keras_mask.setter
    def _keras_mask(self, mask: Any) -> None:
        self.value._keras_mask = mask

    def __tf_tensor__(self, dtype: Any = None, name: Any = None) -> Any:
        return self.value

    def __jax_array__(self) -> Any:
        return self.value

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return keras.ops.convert_to_numpy(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __float__(self) -> float:
        return float(self.value)
