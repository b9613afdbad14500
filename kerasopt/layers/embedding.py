import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Embedding(DropIn, keras.layers.Embedding):
    """A table of vectors that declares its compression."""

    _example = "1000, 64"
