"""The meaning of the axes of a kernel."""

import re
from dataclasses import dataclass

import keras

_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_VECTORS = ("bias", "gamma", "beta")


@dataclass(frozen=True)
class KernelLayout:
    """The axes of a weight, by their meaning.

    Each tuple is in the order of the weight, and every axis is in at least one. The channels of a
    depthwise convolution, and batch axes of an einsum, are both inputs and outputs.

    Attributes:
        spatial: Tuple of axes, the positions of a convolution's window.
        inputs: Tuple of axes over the input channels; empty for biases.
        outputs: Tuple of axes over the output channels.
    """

    spatial: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def contracted(self) -> tuple[int, ...]:
        """The axes of input channels that the layer sums over: none in depthwise kernels."""
        return tuple(axis for axis in self.inputs if axis not in self.outputs)


def kernel_layout(layer: keras.layers.Layer, name: str) -> KernelLayout:
    """Returns the meaning of the axes of a weight of `layer`.

    | weight | spatial | inputs | outputs |
    | --- | --- | --- | --- |
    | Dense, RNN cells: (in, out) | | 0 | 1 |
    | Conv2D: (height, width, in / groups, out) | 0, 1 | 2 | 3 |
    | Conv2DTranspose: (height, width, out, in) | 0, 1 | 3 | 2 |
    | depthwise: (height, width, channel, multiplier) | 0, 1 | 2 | 2, 3 |
    | EinsumDense `"abc,cde->abde"`: kernel `cde` | | 0 | 1, 2 |
    | Embedding: (row, unit) | | 0 | 1 |
    | biases, gammas, betas, vectors | | | all |

    1-D and 3-D convolutions have one and three spatial axes. Kernels of custom layers are treated
    like those of convolutions of the same rank.

    ```python
    layer = keras.layers.Conv2D(8, 3)
    layer.build((None, 32, 32, 3))
    kernel_layout(layer, "kernel")  # KernelLayout(spatial=(0, 1), inputs=(2,), outputs=(3,))
    ```

    Args:
        layer: A built layer, parametrized or not.
        name: String, the attribute name of the weight, such as `"kernel"`.

    Returns:
        The `KernelLayout`, its axes counted from 0.
    """
    rank = len(getattr(layer, name).shape)
    if rank < 2 or name.endswith(_VECTORS):
        return KernelLayout((), (), tuple(range(rank)))
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_layout(layer.equation)
    *spatial, before_last, last = range(rank)
    if name == "depthwise_kernel" or isinstance(layer, _DEPTHWISE):
        return KernelLayout(tuple(spatial), (before_last,), (before_last, last))
    if isinstance(layer, TRANSPOSED):
        return KernelLayout(tuple(spatial), (last,), (before_last,))
    return KernelLayout(tuple(spatial), (before_last,), (last,))


def _einsum_layout(equation: str) -> KernelLayout:
    inputs, kernel, outputs = re.split(",|->", equation.replace(" ", ""))

    def shared_with(term):
        return tuple(axis for axis, letter in enumerate(kernel) if letter in term)

    return KernelLayout((), shared_with(inputs), shared_with(outputs))
