import keras

from kerasopt.layers.drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasopt")
class Embedding(DropIn, keras.layers.Embedding):
    """A `keras.layers.Embedding` that declares its compression."""

    _example = "1000, 64"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.input_quantizer is not None:
            raise ValueError(
                "The inputs of an embedding are indices, which cannot be rounded: do not pass "
                f"`input_quantizer`. Received: input_quantizer={self.input_quantizer}"
            )
