"""Embeddings that read the rows they are asked for."""

import keras


class LookUp(keras.layers.Embedding):
    """The look-up of an embedding whose table a link holds: the whole table is not computed.

    It stands behind a user's class, so that `super().call(inputs)` there comes here.
    """

    def call(self, inputs):
        held = self.embeddings.held
        if held is None:
            return super().call(inputs)
        rows = held.rows(keras.ops.cast(inputs, "int32"))
        return keras.ops.cast(rows, self.compute_dtype)


def with_look_up(base: type, slots: tuple[str, ...]) -> tuple[type, ...]:
    """Returns what a parametrized class of `base` inherits from."""
    if "embeddings" not in slots or not issubclass(base, keras.layers.Embedding):
        return (base,)
    return (LookUp,) if base is keras.layers.Embedding else (base, LookUp)
