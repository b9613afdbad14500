"""Float layers that store and multiply only the weights that are not zero."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasopt import ops
from kerasopt.inference.dense_like import DenseLike
from kerasopt.inference.packed import PackedLayer


class _SparseLayer(PackedLayer):
    """Base of both: a product along the last axis. Files have the dense kernel.

    Args:
        entries: Pair of integers, what `kerasopt.ops.SparseWeights` has as `entries` and
            `block_columns`.
        activation: Function, or its name, as in `keras.layers.Dense`.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    packed_names = ("kernel", "bias")
    stored_names = ("kernel", "bias")
    weight_format = "element"

    def __init__(self, *, entries: tuple[int, int], activation: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.entries = tuple(entries)
        self.activation = keras.activations.get(activation)

    def empty(self, shape: tuple[int, ...]) -> ops.SparseWeights:
        entries, block_columns = self.entries
        return ops.SparseWeights(None, shape, entries, block_columns, "float32")

    def set_arrays(self, kernel: Any, bias: Any) -> None:
        """Sets kernel and bias, float32 arrays.

        Raises:
            ValueError: If the kernel has another number of entries than the layer.
        """
        self.set_packed(np.float32(kernel), np.float32(bias))

    def call(self, inputs: Any) -> Any:
        return self.activation(ops.sparse_matmul(inputs, self.packed))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return previous_mask  # as the layers do that it stands for

    def get_config(self) -> dict[str, Any]:
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "entries": self.entries, "activation": activation}


@keras.saving.register_keras_serializable(package="kerasopt")
class SparseDense(DenseLike, _SparseLayer):
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

    def __init__(self, units: int, entries: tuple[int, int], activation: Any = None, **kwargs: Any):
        super().__init__(units, entries=entries, activation=activation, **kwargs)


@keras.saving.register_keras_serializable(package="kerasopt")
class SparseConv2D(_SparseLayer):
    """A pointwise `Conv2D` layer that multiplies only the weights that are not zero.

    Input: float32 of shape `(batch, height, width, channels)`. Output: float32 of shape
    `(batch, height, width, filters)`. Made by `kerasopt.convert(model, "sparse")`.

    Args:
        filters: Positive integer, the number of output channels.
        entries: Pair of integers: how many entries are stored, and how many outputs share one;
            see `kerasopt.ops.SparseWeights`.
        activation: Function, or its name, as in `keras.layers.Conv2D`.
        **kwargs: The arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, filters: int, entries: tuple[int, int], activation: Any = None, **kwargs: Any
    ):
        super().__init__(entries=entries, activation=activation, **kwargs)
        self.filters = filters

    def kernel_shape(self, input_shape: Any) -> tuple[int, ...]:
        return 1, 1, input_shape[-1], self.filters

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SparseConv2D:
        # Files of the first versions say "units".
        return cls(**{"filters" if name == "units" else name: config[name] for name in config})
