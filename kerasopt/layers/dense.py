import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Dense(DropIn, keras.layers.Dense):
    """A densely connected layer that declares its compression."""

    _example = "10"
