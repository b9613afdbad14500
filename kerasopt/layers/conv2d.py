import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Conv2D(DropIn, keras.layers.Conv2D):
    """A 2-D convolution that declares its compression."""

    _example = "32, 3"
