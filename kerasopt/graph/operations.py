"""Properties of operations that grouping and lowering need."""

from __future__ import annotations

import math
from typing import Any

import keras

from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.keras_internals.layers import is_of_applications

_KERNELS = ("kernel", "depthwise_kernel")

# Layers that are active in training only.
TRAINING_ONLY = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
# Layers and operations whose output contains only values of their input, or zeros, so that it has
# the same scale and zero point.
_TRANSPARENT_LAYERS = (
    *TRAINING_ONLY,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
    keras.layers.Flatten,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.Identity,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Reshape,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling3D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
_TRANSPARENT_OPERATIONS = frozenset(
    "BroadcastTo ExpandDims Flip GetItem Identity MaxPool Moveaxis Ravel Repeat Reshape Roll Rot90 "
    "Slice Split Squeeze StopGradient Swapaxes Tile Transpose Unstack".split()
)


def has_kernel(operation: keras.Operation) -> bool:
    """Whether `operation` is a layer with a kernel: dense, convolution, depthwise, custom."""
    if not isinstance(operation, keras.Layer):
        return False
    # `kernel` may be a property that computes the weight: do not evaluate it.
    return any(name in vars(operation) or hasattr(type(operation), name) for name in _KERNELS)


def clamp_bounds(operation: keras.Operation) -> tuple[float, float] | None:
    """Returns the bounds to which an activation clamps its input, or `None`.

    ReLU in all forms (layers, `Activation("relu")`, operations) gives `(0.0, inf)`, ReLU6 gives
    `(0.0, 6.0)`. Leaky or shifted forms are not clamps.
    """
    operation = unwrap(operation)
    name = type(operation).__name__
    if isinstance(operation, keras.layers.Activation):
        return _function_bounds(operation.activation)
    is_layer = isinstance(operation, keras.Layer)
    if isinstance(operation, keras.layers.ReLU) or (not is_layer and name == "ReLU"):
        if operation.negative_slope or operation.threshold:
            return None
        return 0.0, math.inf if operation.max_value is None else float(operation.max_value)
    return None if is_layer else {"Relu": (0.0, math.inf), "Relu6": (0.0, 6.0)}.get(name)


def activation_bounds(layer: keras.Layer) -> tuple[float, float] | None:
    """Returns the bounds to which a layer's own `activation` argument clamps, or `None`.

    No activation, or a linear one, gives `(-inf, inf)`.
    """
    activation = own_activation(layer)
    if activation is None or activation is keras.activations.linear:
        return -math.inf, math.inf
    return _function_bounds(activation)


def own_activation(layer: keras.Layer) -> Any:
    """Returns the `activation` argument of a layer, or `None`."""
    # On a layer with a parametrized activation, the attribute is another function.
    return vars(layer).get("activation", getattr(type(layer), "activation", None))


def is_linear(layer: keras.Layer) -> bool:
    """Whether the layer applies no activation after its kernel and bias."""
    return activation_bounds(layer) == (-math.inf, math.inf)


def is_residual(operation: keras.Operation, inputs: int) -> bool:
    """Whether `operation` is an elementwise addition of `inputs` ≥ 2 tensors."""
    operation = unwrap(operation)
    is_add = isinstance(operation, keras.layers.Add) or (
        not isinstance(operation, keras.Layer) and type(operation).__name__ == "Add"
    )
    return inputs >= 2 and (is_add or is_of_applications(operation, "CustomScaleLayer"))


def residual_scale(operation: keras.Operation) -> float:
    """Returns the factor of the second tensor of an addition, which InceptionResNet has."""
    layer: Any = operation
    return float(layer.scale) if is_of_applications(operation, "CustomScaleLayer") else 1.0


def is_concatenation(operation: keras.Operation) -> bool:
    """Whether `operation` concatenates tensors along an axis."""
    operation = unwrap(operation)
    is_layer = isinstance(operation, keras.Layer)
    name = type(operation).__name__
    return isinstance(operation, keras.layers.Concatenate) or (
        not is_layer and name == "Concatenate"
    )


def is_transparent(operation: keras.Operation) -> bool:
    """Whether the output keeps the scale and zero point of the (only) input.

    Inputs of the model are not transparent, since their range is unknown.
    """
    operation = unwrap(operation)
    if isinstance(operation, keras.layers.Activation):
        return operation.activation is keras.activations.linear
    if isinstance(operation, keras.layers.UpSampling2D):
        return operation.interpolation == "nearest"
    if isinstance(operation, keras.Layer):
        return isinstance(operation, _TRANSPARENT_LAYERS)
    return type(operation).__name__ in _TRANSPARENT_OPERATIONS


def passes_on(node: Node) -> bool:
    """Whether a call only moves the values of its only input, or casts floats to floats."""
    return len(node.inputs) == 1 and (is_transparent(node.operation) or casts_floats(node))


def casts_floats(node: Node) -> bool:
    """Whether a call is a cast from one dtype of floats to another, or to the same."""
    if type(unwrap(node.operation)).__name__ != "Cast":
        return False
    dtypes = (node.inputs[0].tensor.dtype, node.keras_node.outputs[0].dtype)
    return all(map(keras.backend.is_float_dtype, dtypes))


def is_layer_scale(operation: keras.Operation) -> bool:
    """Whether `operation` is the layer scale of ConvNeXt: a factor per channel."""
    return is_of_applications(operation, "LayerScale")


def is_reverse(node: Node) -> bool:
    """Whether a call multiplies by the table of an embedding instead of looking up rows."""
    is_reversible = isinstance(node.operation, keras.layers.ReversibleEmbedding)
    return is_reversible and bool(node.arguments.get("reverse"))


def normalizes_channels(operation: keras.Operation, producer: Node) -> bool:
    """Whether `operation` is a batch normalization over the output channels of a call."""
    if not isinstance(operation, keras.layers.BatchNormalization):
        return False
    axis: Any = operation.axis
    if getattr(producer.operation, "data_format", None) == "channels_first":
        return axis == 1
    return axis in (-1, len(producer.outputs[0].tensor.shape) - 1)


def _function_bounds(function: Any) -> tuple[float, float] | None:
    if isinstance(function, keras.Operation):
        return clamp_bounds(function)
    return {keras.activations.relu: (0.0, math.inf), keras.activations.relu6: (0.0, 6.0)}.get(
        function
    )
