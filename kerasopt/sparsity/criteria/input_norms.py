"""The norms of the inputs that a weight is multiplied with, gathered during training."""

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
    """Adds up the mean square of every input feature, and passes the input on.

    Only training counts. Attached to the `"input"` of a layer; several calls of a
    shared layer add up. Means, not sums: layers that see more positions than
    others have no larger norms.

    Args:
        axes: List of integers, the axes of the input that hold features; over the
            others (samples and positions) the mean is taken.
        shape: List of integers, the number of features along these axes, in the
            order of the input.

    Attributes:
        squares: Float32 variable of shape `shape`.
    """

    def __init__(self, axes, shape, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.axes, self.features = tuple(axes), tuple(shape)

    def build(self, input_shape):
        # Every replica adds to a value of its own; who reads it reads their mean.
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
    """Which features of a layer's input the elements of a kernel are multiplied with.

    Attributes:
        axes: Tuple of integers, the axes of the input that hold features.
        shape: Tuple of integers, their lengths.
        feature_of: Integer array that broadcasts to the kernel: for each element the
            number of its feature, in an array of `shape` that is flattened.
    """

    axes: tuple[int, ...]
    shape: tuple[int, ...]
    feature_of: np.ndarray


def input_features(layer: keras.layers.Layer, name: str) -> InputFeatures | None:
    """Returns the `InputFeatures` of a kernel of `layer`.

    `None` if the layer does not multiply its own input with this weight (the
    pointwise kernel of a separable convolution, a table, a layer of the user's).
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
    # Leading axes that are elided may be any number.
    first = -len(letters) if inputs.startswith(".") else 0
    axes = tuple(first + letters.index(letter) for letter in features)
    index = np.arange(int(np.prod(shape))).reshape(shape)
    index = index.transpose(np.argsort([kernel.index(letter) for letter in features]))
    return InputFeatures(
        axes, shape, index.reshape([n if c in features else 1 for c, n in lengths.items()])
    )
