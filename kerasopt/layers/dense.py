"""Dense layers that declare their compression."""

import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Dense(DropIn, keras.layers.Dense):
    """A densely connected layer that declares its compression."""

    _example = "10"


@keras.saving.register_keras_serializable(package="kerasopt")
class EinsumDense(DropIn, keras.layers.EinsumDense):
    """A `keras.layers.EinsumDense` that declares its compression."""

    _example = '"abc,cd->abd", output_shape=(None, 64)'
