import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class DepthwiseConv2D(DropIn, keras.layers.DepthwiseConv2D):
    """A 2-D depthwise convolution that declares its compression."""

    _example = "3"
