"""Operations of Keras as TensorFlow operators that converters know, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kerasopt.graph import own_class, unwrap
from kerasopt.keras_internals.calls import in_inference


def call_of(operation: keras.Operation) -> Callable[..., Any]:
    """Returns what computes a call of an operation, as `predict` does, in a file."""
    inner = unwrap(operation)
    cls = own_class(inner)
    stand_in = _STAND_INS.get(cls.__name__)
    if stand_in is not None and cls.__module__.startswith("keras."):
        return lambda *args, training=None, **kwargs: stand_in(inner, *args, **kwargs)
    return in_inference(operation)


def _argmax(operation: Any, x: Any) -> Any:
    return _place_of(tf.argmax, operation, x)


def _argmin(operation: Any, x: Any) -> Any:
    return _place_of(tf.argmin, operation, x)


def _place_of(find: Any, operation: Any, x: Any) -> Any:
    # Keras looks at the bits to tell 0.0 from -0.0.
    axis, flat = operation.axis, x
    if axis is None:
        axis, flat = 0, tf.reshape(x, [-1])
    found = find(flat, axis=axis, output_type="int32")
    if not operation.keepdims:
        return found
    ones = [1] * len(x.shape)
    return tf.reshape(found, ones) if operation.axis is None else tf.expand_dims(found, axis)


def _up_sampling(operation: Any, x: Any) -> Any:
    # Keras repeats pixels in many steps, and asks for the size of images in Python.
    if operation.data_format != "channels_last" or operation.interpolation not in (
        "nearest",
        "bilinear",
    ):
        return operation(x)
    known = x.shape[1:3]
    sizes = tf.shape(x)[1:3] if None in known else tf.constant(known.as_list())
    sizes *= tf.constant(operation.size)
    return tf.cast(tf.image.resize(x, sizes, operation.interpolation), x.dtype)


def _convolution(layer: Any, x: Any) -> Any:
    # With channels first TensorFlow transposes in ways that converters do not know.
    if layer.data_format != "channels_first" or layer.compute_dtype != "float32":
        return in_inference(layer)(x)
    last, known = len(x.shape) - 1, dict(vars(layer))
    layer.data_format, layer.use_bias, layer.activation = "channels_last", False, None
    try:
        y = layer.call(tf.transpose(x, [0, *range(2, last + 1), 1]))
    finally:
        for name in ("data_format", "use_bias", "activation"):
            setattr(layer, name, known[name])
    y = tf.transpose(y, [0, last, *range(1, last)])
    if layer.use_bias:
        # Keras 3.15 adds it by columns to images as wide as they have channels, but where
        # TensorFlow fuses it with the convolution, as it mostly does in `predict`.
        y += tf.reshape(tf.convert_to_tensor(layer.bias), [-1] + [1] * (last - 1))
    return y if layer.activation is None else layer.activation(y)


def _unchanged(layer: Any, x: Any) -> Any:
    # These draw numbers, and with them write to a variable, for nothing: they augment in training.
    return x


_STAND_INS: dict[str, Callable[..., Any]] = {
    "Argmax": _argmax,
    "Argmin": _argmin,
    "Conv1D": _convolution,
    "Conv1DTranspose": _convolution,
    "Conv2D": _convolution,
    "Conv2DTranspose": _convolution,
    "Conv3D": _convolution,
    "Conv3DTranspose": _convolution,
    "CutMix": _unchanged,
    "DepthwiseConv1D": _convolution,
    "DepthwiseConv2D": _convolution,
    "MixUp": _unchanged,
    "RandomCrop": _unchanged,
    "RandomGrayscale": _unchanged,
    "SeparableConv1D": _convolution,
    "SeparableConv2D": _convolution,
    "UpSampling2D": _up_sampling,
}
