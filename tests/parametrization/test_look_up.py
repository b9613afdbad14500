"""Embeddings whose table a link holds: rows are read, never the whole."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko


@keras.saving.register_keras_serializable("tests_parametrization")
class Rows(ko.parametrization.Parametrization):
    """A table whose rows are their number, and that cannot be read as a whole."""

    holds_weight = True

    def build(self, input_shape):
        self.shape = tuple(input_shape)
        self.built = True

    def rows(self, indices):
        column = keras.ops.cast(keras.ops.expand_dims(indices, -1), "float32")
        return keras.ops.repeat(column, self.shape[1], -1)

    def call(self, inputs):
        raise AssertionError("the whole table is read")


class Doubled(layers.Embedding):
    """A user's embedding."""

    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize(
    ("cls", "factor"),
    [
        (layers.Embedding, 1),
        (layers.ReversibleEmbedding, 1),
        (ko.layers.Embedding, 1),
        (Doubled, 2),
    ],
)
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32"])
def test_rows_are_looked_up(cls, factor, dtype):
    layer = cls(6, 3, mask_zero=True)
    layer.build()
    ko.parametrize(layer, "embeddings", Rows())
    assert isinstance(layer, cls)
    assert layer.embeddings.shape == (6, 3)
    inputs = keras.Input((2,), dtype=dtype)
    model = keras.Model(inputs, layers.LSTM(1, use_bias=False)(layer(inputs)))
    indices = np.array([[1, 5], [2, 0]], dtype)
    rows = keras.ops.convert_to_numpy(layer(indices))
    np.testing.assert_array_equal(rows, factor * indices[..., None] * np.ones(3))
    # The mask is of the indices: the last step of the second example does not count.
    first = model.predict(np.array([[2, 0]], dtype), verbose=0)
    np.testing.assert_array_equal(model.predict(indices, verbose=0)[1:], first)
    assert (model.predict(np.array([[2, 2]], dtype), verbose=0) != first).all()


def test_a_detached_embedding_is_its_own_class_again():
    layer = layers.Embedding(6, 3)
    layer.build()
    ko.parametrize(layer, "embeddings", ko.sparsity.Mask())
    assert layer(np.array([1])).shape == (1, 3)
    ko.unparametrize(layer, "embeddings")
    assert type(layer) is layers.Embedding
