"""Convolutions that declare their compression."""

import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv1D(DropIn, keras.layers.Conv1D):
    """A 1-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv2D(DropIn, keras.layers.Conv2D):
    """A 2-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv3D(DropIn, keras.layers.Conv3D):
    """A 3-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv1DTranspose(DropIn, keras.layers.Conv1DTranspose):
    """A transposed 1-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv2DTranspose(DropIn, keras.layers.Conv2DTranspose):
    """A transposed 2-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv3DTranspose(DropIn, keras.layers.Conv3DTranspose):
    """A transposed 3-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class DepthwiseConv1D(DropIn, keras.layers.DepthwiseConv1D):
    """A depthwise 1-D convolution that declares its compression."""

    _example = "3"


@keras.saving.register_keras_serializable(package="kerasopt")
class DepthwiseConv2D(DropIn, keras.layers.DepthwiseConv2D):
    """A depthwise 2-D convolution that declares its compression."""

    _example = "3"


@keras.saving.register_keras_serializable(package="kerasopt")
class SeparableConv1D(DropIn, keras.layers.SeparableConv1D):
    """A separable 1-D convolution that declares its compression."""

    _example = "32, 3"


@keras.saving.register_keras_serializable(package="kerasopt")
class SeparableConv2D(DropIn, keras.layers.SeparableConv2D):
    """A separable 2-D convolution that declares its compression."""

    _example = "32, 3"
