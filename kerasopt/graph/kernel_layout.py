"""What the axes of a kernel stand for."""

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
    """The axes of a weight, sorted by what they stand for.

    Every axis is in one of the three tuples, each in the order of the weight. The channels of a
    depthwise convolution, and axes that an einsum only carries along, are inputs and outputs
    at once.

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
    """Returns what the axes of a weight of `layer` stand for.

    | weight | spatial | inputs | outputs |
    | --- | --- | --- | --- |
    | Dense, RNN cells: (in, out) | | 0 | 1 |
    | Conv2D: (height, width, in / groups, out) | 0, 1 | 2 | 3 |
    | Conv2DTranspose: (height, width, out, in) | 0, 1 | 3 | 2 |
    | depthwise: (height, width, channel, multiplier) | 0, 1 | 2 | 2, 3 |
    | EinsumDense `"abc,cde->abde"`: kernel `cde` | | 0 | 1, 2 |
    | Embedding: (row, unit) | | 0 | 1 |
    | biases, gammas, betas, vectors | | | all |

    Convolutions over one or three dimensions have one or three spatial axes. The kernels of a
    layer of your own are read as a convolution's of their rank.

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
