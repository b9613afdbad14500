"""Layers as matrix products, and samples of their inputs."""

from __future__ import annotations

import math

import keras
import numpy as np

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


class Products:
    """A layer as independent matrix products: rows (G, N, K) times columns (G, K, C).

    G is 1 for Dense and ordinary convolutions, and the number of channel groups for others; N is
    the number of output positions, K the number of values that each sums over, and C the number of
    output channels.

    Args:
        layer: A layer for which `Products.fit` is true.
    """

    def __init__(self, layer: keras.Layer):
        self.layer = layer
        self._is_dense = isinstance(layer, keras.layers.Dense)
        self._kernel_shape = tuple(layer.kernel.shape)

    @staticmethod
    def fit(layer: keras.Operation) -> bool:
        """Whether a layer can be computed by such products."""
        if isinstance(layer, keras.layers.Dense):
            return True
        return (
            isinstance(layer, (*_CONVOLUTIONS, *_DEPTHWISE))
            and layer.data_format == "channels_last"
            and layer.padding in ("same", "valid")
        )

    @property
    def groups(self) -> int:
        """The number G of products."""
        if isinstance(self.layer, _DEPTHWISE):
            return self._kernel_shape[-2]
        return getattr(self.layer, "groups", 1)

    def columns(self, weight: np.ndarray) -> np.ndarray:
        """Returns an array of the kernel's shape as (G, K, C)."""
        *window, inputs, outputs = self._kernel_shape
        if isinstance(self.layer, _DEPTHWISE):
            return weight.reshape(-1, inputs, outputs).transpose(1, 0, 2)
        return weight.reshape(math.prod(window) * inputs, self.groups, -1).transpose(1, 0, 2)

    def weight(self, columns: np.ndarray) -> np.ndarray:
        """Returns an array (G, K, C) in the shape of the kernel: the inverse of `columns`."""
        return columns.transpose(1, 0, 2).reshape(self._kernel_shape)

    def rows(self, inputs: list, count: int, seed: int = 0) -> np.ndarray:
        """Returns the values that a random sample of output positions sum over.

        Args:
            inputs: List of tensors, batches of the layer's input.
            count: Integer, the approximate number of positions.
            seed: Integer; the same seed and shapes give the same positions.

        Returns:
            float32 array (G, N, K).
        """
        generator = np.random.default_rng(seed)
        share = -(-count // len(inputs))
        parts = [
            self._sample(keras.ops.convert_to_numpy(each), share, generator) for each in inputs
        ]
        return np.concatenate(parts, axis=1).astype("float32")

    def _sample(self, x, count, generator):
        if self._is_dense:
            x = x.reshape(-1, x.shape[-1])
            return x[np.newaxis, generator.integers(len(x), size=count)]
        windows = self._windows(x)
        rank = len(self._kernel_shape) - 2
        places = [generator.integers(side, size=count) for side in windows.shape[: 1 + rank]]
        # (N, channels, *window) to (N, *window, channels), the order in kernels.
        patches = np.moveaxis(windows[tuple(places)], 1, -1)
        patches = patches.reshape(count, -1, self.groups, x.shape[-1] // self.groups)
        return patches.transpose(2, 0, 1, 3).reshape(self.groups, count, -1)

    def _windows(self, x):
        """Returns a view (batch, *positions, channels, *window) of the layer's input."""
        layer, rank = self.layer, len(self._kernel_shape) - 2
        spans = [
            (size - 1) * dilation + 1
            for size, dilation in zip(layer.kernel_size, layer.dilation_rate, strict=True)
        ]
        if layer.padding == "same":
            pads = [
                max((-(-side // stride) - 1) * stride + span - side, 0)
                for side, stride, span in zip(x.shape[1:-1], layer.strides, spans, strict=True)
            ]
            x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=range(1, 1 + rank))
        steps = [slice(None, None, stride) for stride in layer.strides]
        holes = [slice(None, None, dilation) for dilation in layer.dilation_rate]
        return windows[(slice(None), *steps, slice(None), *holes)]
