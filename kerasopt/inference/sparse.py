"""Float layers that store and multiply only the weights that are not zero."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.packed_part import add_packed
from kerasopt.inference.stored import StoredLayer, release, stored_array
from kerasopt.keras_internals import set_values


class _SparseLayer(StoredLayer):
    """Base of both: a product along the last axis. No training; files have the dense kernel.

    Args:
        units: Positive integer, the size of the output's last axis.
        entries: Pair of integers, what `kerasopt.ops.SparseWeights` has as `entries` and
            `block_columns`.
        activation: Function, or its name, as in `keras.layers.Dense`.
        **kwargs: The arguments of `keras.layers.Layer`.

    Attributes:
        packed: `kerasopt.ops.SparseWeights` whose values are an int8 variable.
    """

    packed: ops.SparseWeights

    def __init__(self, units: int, entries: tuple[int, int], activation: Any = None, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=kwargs.pop("trainable", False), **kwargs)
        self.units = units
        self.entries = tuple(entries)
        self.activation = keras.activations.get(activation)

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        """Returns the shape of the kernel for inputs of a shape."""
        return input_shape[-1], self.units

    def build(self, input_shape: Any) -> None:
        shape = self.kernel_shape(input_shape)
        count, block_columns = self.entries
        packed = ops.SparseWeights(None, shape, count, block_columns, "float32")
        self.packed = add_packed(self, packed)

    def set_floats(self, kernel: Any, bias: Any) -> None:
        """Sets kernel and bias, float32 arrays.

        Raises:
            ValueError: If the kernel has another number of entries than the layer.
        """
        packed = self.packed.packed_like(np.float32(kernel), np.float32(bias))
        set_values(self.packed.values, packed.values)

    def call(self, inputs: Any) -> Any:
        return self.activation(ops.sparse_matmul(inputs, self.packed))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        # Not by a call, which would need values of the weights.
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def save_own_variables(self, store: Any) -> None:
        kernel, bias, _ = self.packed.unpack()
        store["kernel"] = keras.ops.convert_to_numpy(kernel)
        store["bias"] = keras.ops.convert_to_numpy(bias)

    def load_own_variables(self, store: Any) -> None:
        weights = {
            "kernel": np.broadcast_to(np.float32(0), self.packed.shape),
            "bias": np.broadcast_to(np.float32(0), self.units),
        }
        self.set_floats(*(stored_array(self.name, store, k, w, k) for k, w in weights.items()))
        release(weights["kernel"].nbytes)

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        own = {"units": self.units, "entries": self.entries, "activation": activation}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="kerasopt")
class SparseDense(_SparseLayer):
    """A `Dense` layer that stores and multiplies only the weights that are not zero.

    Input: float32 of shape `(..., inputs)`. Output: float32 of shape `(..., units)`. Made by
    `kerasopt.convert(model, "sparse")`.

    Args:
        units: Positive integer, the size of the output's last axis.
        entries: Pair of integers: how many entries are stored, and how many outputs share one;
            see `kerasopt.ops.SparseWeights`.
        activation: Function, or its name, as in `keras.layers.Dense`.
        **kwargs: The arguments of `keras.layers.Layer`.
    """


@keras.saving.register_keras_serializable(package="kerasopt")
class SparseConv2D(_SparseLayer):
    """A `Conv2D` layer of single pixels that multiplies only the weights that are not zero.

    Input: float32 of shape `(batch, height, width, channels)`. Output: float32 of shape
    `(batch, height, width, units)`. Made by `kerasopt.convert(model, "sparse")`.

    Args:
        units: Positive integer, the number of filters.
        entries: Pair of integers: how many entries are stored, and how many outputs share one;
            see `kerasopt.ops.SparseWeights`.
        activation: Function, or its name, as in `keras.layers.Conv2D`.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return 1, 1, input_shape[-1], self.units
