"""Attention layers that declare the compression of their projections."""

import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class GroupQueryAttention(DropIn, keras.layers.GroupQueryAttention):
    """A `keras.layers.GroupQueryAttention` that declares its compression."""

    _example = "64, 8, 2"


@keras.saving.register_keras_serializable(package="kerasopt")
class MultiHeadAttention(DropIn, keras.layers.MultiHeadAttention):
    """A `keras.layers.MultiHeadAttention` that declares its compression."""

    _example = "8, 64"
