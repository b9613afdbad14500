"""Recurrent layers that declare the compression of their cells."""

import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class GRU(DropIn, keras.layers.GRU):
    """A gated recurrent unit that declares its compression."""

    _example = "32"


@keras.saving.register_keras_serializable(package="kerasopt")
class LSTM(DropIn, keras.layers.LSTM):
    """A long short-term memory that declares its compression."""

    _example = "32"


@keras.saving.register_keras_serializable(package="kerasopt")
class SimpleRNN(DropIn, keras.layers.SimpleRNN):
    """A simple recurrent layer that declares its compression."""

    _example = "32"
