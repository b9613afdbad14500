"""Attention layers that declare their compression, of their projections."""

import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class GroupQueryAttention(DropIn, keras.layers.GroupQueryAttention):
    """Attention whose heads share keys and values in groups that declares its compression."""

    _example = "64, 8, 2"


@keras.saving.register_keras_serializable(package="kerasopt")
class MultiHeadAttention(DropIn, keras.layers.MultiHeadAttention):
    """Attention with several heads that declares its compression."""

    _example = "8, 64"
