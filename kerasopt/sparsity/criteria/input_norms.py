"""The norms of a layer's input features, gathered during training."""

import re
from typing import NamedTuple

import keras
import numpy as np

from kerasopt.graph import kernel_layout
from kerasopt.parametrization import Parametrization

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


@keras.saving.register_keras_serializable(package="kerasopt")
class InputNorm(Parametrization):
    """Accumulates the mean square of every input feature, and passes the input on.

    Active in training only. Attached to the `"input"` of a layer; the calls of
    a shared layer add up. Means are used rather than sums, so that a layer with
    more positions does not have larger norms.

    Args:
        axes: List of integers, the feature axes of the input; the mean is taken
            over the others (samples and positions).
        shape: List of integers, the number of features along these axes, in the
            order of the input.

    Attributes:
        squares: Float32 variable of shape `shape`.
    """

    def __init__(self, axes, shape, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.axes, self.features = tuple(axes), tuple(shape)

    def build(self, input_shape):
        # Every replica adds to its own value; reading gives their mean.
        self.squares = keras.Variable(
            np.zeros(self.features, "float32"),
            trainable=False,
            aggregation="mean",
            synchronization="on_read",
            name="squares",
        )
        self.built = True

    def call(self, inputs, training=None):
        if training:
            rank = len(inputs.shape)
            features = {axis % rank for axis in self.axes}
            others = tuple(axis for axis in range(rank) if axis not in features)
            squares = keras.ops.square(keras.ops.stop_gradient(inputs))
            self.squares.assign_add(keras.ops.mean(squares, axis=others))
        return inputs

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "shape": self.features}


class InputFeatures(NamedTuple):
    """The input feature that each element of a kernel is multiplied with.

    Attributes:
        axes: Tuple of integers, the feature axes of the input.
        shape: Tuple of integers, their lengths.
        feature_of: Integer array that broadcasts to the kernel: for each
            element the index of its feature in a flattened array of `shape`.
    """

    axes: tuple[int, ...]
    shape: tuple[int, ...]
    feature_of: np.ndarray


def input_features(layer: keras.layers.Layer, name: str) -> InputFeatures | None:
    """Returns the `InputFeatures` of a kernel of `layer`.

    `None` if the layer does not multiply its own input with this weight (the
    pointwise kernel of a separable convolution, an embedding table, a custom
    layer).
    """
    if isinstance(layer, keras.layers.EinsumDense):
        return _of_einsum(layer)
    if isinstance(layer, keras.layers.Dense):
        return _of_channels(layer, name, axis=-1)
    if isinstance(layer, _CONVOLUTIONS) and name in ("kernel", "depthwise_kernel"):
        last = layer.data_format == "channels_last"
        return _of_channels(layer, name, axis=-1 if last else 1)
    return None


def _of_channels(layer, name, axis):
    shape = getattr(layer, name).shape
    layout = kernel_layout(layer, name)
    (inputs,), groups = layout.inputs, getattr(layer, "groups", 1)
    channels = shape[inputs]
    index = _along(inputs, np.arange(channels), len(shape))
    if groups > 1:
        (outputs,) = layout.outputs
        group = np.arange(shape[outputs]) // (shape[outputs] // groups)
        index = index + _along(outputs, group * channels, len(shape))
    return InputFeatures((axis,), (channels * groups,), index)


def _along(axis, values, rank):
    return values.reshape([-1 if other == axis else 1 for other in range(rank)])


def _of_einsum(layer):
    inputs, kernel, _ = re.split(",|->", layer.equation.replace(" ", ""))
    letters = inputs.replace(".", "")
    lengths = dict(zip(kernel, layer.kernel.shape, strict=True))
    features = [letter for letter in letters if letter in lengths]
    shape = tuple(lengths[letter] for letter in features)
    # The ellipsis stands for any number of leading axes.
    first = -len(letters) if inputs.startswith(".") else 0
    axes = tuple(first + letters.index(letter) for letter in features)
    index = np.arange(int(np.prod(shape))).reshape(shape)
    index = index.transpose(np.argsort([kernel.index(letter) for letter in features]))
    return InputFeatures(
        axes, shape, index.reshape([n if c in features else 1 for c, n in lengths.items()])
    )
