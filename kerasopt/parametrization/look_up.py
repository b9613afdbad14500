"""Embeddings that compute only the requested rows."""

import keras


class LookUp(keras.layers.Embedding):
    """The look-up of an embedding whose table is held by a link, without computing all of it.

    It comes after a custom class in the MRO, so that `super().call(inputs)`
    there leads here.
    """

    def call(self, inputs):
        held = self.embeddings.held
        if held is None:
            return super().call(inputs)
        rows = held.rows(keras.ops.cast(inputs, "int32"))
        return keras.ops.cast(rows, self.compute_dtype)
