"""Sizes that are unknown while layers are recorded."""

import keras
import numpy as np
import pytest
from graph.composites import Composite, model_of, tokens, walked
from keras import layers, ops

from kerasopt.graph import Graph


class Merged(Composite):
    """Merges heads, by a size that Keras infers, and transforms sequences of any length."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = layers.Dense(8)

    def call(self, x):
        batch, length, _ = ops.shape(x)
        heads = ops.reshape(x, (batch, length, 2, 4))
        merged = ops.reshape(heads, (batch, length, -1))
        real, _ = ops.fft2((merged, ops.zeros_like(merged)))
        return self.last(real)


class Weighted(Composite):
    """Multiplies with weights that it reshapes by the sizes of its first input."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        x, weights = inputs
        batch, length, _ = ops.shape(x)
        return self.dense(x) * ops.reshape(weights, (batch, length, 1))

    def compute_output_shape(self, shape):
        return shape[0]


class WithWeighted(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Weighted()

    def build(self, shape=None):
        self.inner.build()
        self.built = True

    def call(self, inputs):
        return self.inner(inputs) + 1.0

    def compute_output_shape(self, shape):
        return shape[0]


def test_lengths_that_a_reshape_needs_to_be_equal_are():
    inputs = [keras.Input((None, 8)), keras.Input((None,))]
    graph = Graph.of(keras.Model(inputs, WithWeighted(name="around")(inputs)))
    assert graph.closed == {}
    assert "around/inner/reshape" in [node.path for node in graph]


def test_inferred_sizes_that_are_known_stay_known():
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, Merged(name="block")(inputs))
    graph = Graph.of(model)
    values = graph.feed(keras.Input((None, 8)))
    for node in graph.nodes[1:]:
        results = node.call([values[edge] for edge in node.inputs])
        values.update(zip(node.outputs, results, strict=True))
    assert all(values[node.outputs[0]].shape[2:] for node in graph)
    assert values[graph.outputs[0]].shape == (None, None, 8)
    np.testing.assert_allclose(walked(model, tokens()), model(tokens()), atol=1e-4)


class Many(Composite):
    """Joins inputs whose lengths have nothing to do with each other."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(ops.concatenate(inputs, axis=1))


@pytest.mark.parametrize(("count", "paths"), [(3, ["many/concatenate", "many/dense"]), (9, None)])
def test_any_number_of_lengths(count, paths):
    many, inputs = Many(name="many"), [keras.Input((None, 8)) for _ in range(count)]
    many.build()
    many.compute_output_spec = lambda *args, **kwargs: keras.KerasTensor((None, None, 8))
    model = keras.Model(inputs, many(inputs))
    found = [node.path for node in Graph.of(model)][count:]
    x = [tokens(2, 2 + i) for i in range(count)]
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)
    assert paths is None or found == paths


class Across(Composite):
    """Attention from one sequence to another one, with masks that are arguments."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key = layers.Dense(8), layers.Dense(8)

    def call(self, inputs, other, inputs_mask=None, other_mask=None):
        scores = ops.einsum("bsd,btd->bst", self.query(inputs), self.key(other))
        # The positions of the other sequence are read from no tensor.
        scores = scores - 0.1 * ops.cast(ops.arange(ops.shape(other)[1]), "float32")
        scores = ops.where(other_mask[:, None, :], scores, -1e9)
        kept = ops.where(inputs_mask[:, :, None], inputs, 0.0)
        return kept + ops.matmul(ops.softmax(scores), other)


def test_lengths_that_have_to_be_equal_are_found():
    inputs, other = keras.Input((None, 8)), keras.Input((None, 8))
    masks = [keras.Input((None,), dtype="bool") for _ in range(2)]
    model = keras.Model([inputs, other, *masks], Across(name="across")(inputs, other, *masks))
    graph = Graph.of(model)
    assert graph.closed == {}
    for lengths in ((3, 7), (7, 3)):
        x = [tokens(2, length) for length in lengths]
        x += [np.arange(length) < np.array([[length], [2]]) for length in lengths]
        np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


class Patches(Composite):
    """Computes lengths from the sizes that convolutions compute."""

    width = 3

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.pool = layers.Conv2D(3, 3, strides=2), layers.MaxPooling2D(2)

    def build(self, shape=None):
        self.conv.build((None, None, None, 3))
        self.built = True

    def call(self, inputs):
        x = self.pool(self.conv(inputs))
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2], 3)) + ops.cast(x.shape[1], "float32")

    def compute_output_shape(self, shape):
        return (shape[0], None, 3)


@pytest.mark.parametrize("size", [(17, 12), (12, 17)])
def test_sizes_that_layers_compute_are_unknown_too(size):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.patches = Patches()

        def call(self, inputs):
            return self.patches(inputs)

    image = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    model = Model()
    model(image)
    np.testing.assert_allclose(walked(model, image), model(image), atol=1e-6)


class Rounding(Composite):
    """Computes a number from a size in a way that no recording follows."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(inputs) * float(np.sqrt(ops.shape(inputs)[1]))


def test_a_number_that_depends_on_an_unknown_size_is_no_constant():
    graph = Graph.of(model_of(Rounding(name="layer")))
    assert (
        list(graph.closed) == ["layer"] and "computes numbers from sizes" in graph.closed["layer"]
    )


class Positions(Composite):
    """Adds a table of positions, so there is one length that it takes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def build(self, shape=None):
        self.table = self.add_weight(shape=(1, 6, 8), initializer="uniform", name="table")
        super().build(shape)

    def call(self, inputs):
        batch, length, _ = ops.shape(inputs)
        return ops.reshape(self.dense(inputs) + self.table, (batch, length * 8))

    def compute_output_shape(self, shape):
        return (shape[0], None)


def test_a_length_may_be_known_to_the_layer_alone():
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, Positions(name="layer")(inputs))
    graph = Graph.of(model)
    assert graph.closed == {} and graph.outputs[0].tensor.shape == (None, 48)
    np.testing.assert_allclose(walked(model, tokens(2, 6)), model(tokens(2, 6)), atol=1e-6)


class Cut(Positions):
    """Cuts the table to the length of its input."""

    def build(self, shape=None):
        self.table = self.add_weight(shape=(1, 200, 8), initializer="uniform", name="table")
        Composite.build(self, shape)

    def call(self, inputs):
        return self.dense(inputs) + self.table[:, : ops.shape(inputs)[1]]

    def compute_output_shape(self, shape):
        return shape


def test_the_length_of_a_table_that_is_cut_is_none_of_the_input():
    model = model_of(Cut(name="layer"))
    assert Graph.of(model).closed == {}
    for length in (3, 200):
        x = tokens(2, length)
        np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


class Prefixed(Composite):
    """Extends a mask at the front, by as much as the sequence is longer; cuts it from the back."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs, known):
        length, shorter = ops.shape(inputs)[1], ops.shape(known)[1]
        known = ops.pad(known, ((0, 0), (length - shorter, 0)), constant_values=1.0)
        return (self.dense(inputs) * known[..., None])[:, -shorter:]

    def compute_output_shape(self, inputs_shape, known_shape):
        return inputs_shape


def test_differences_of_lengths():
    inputs, known = keras.Input((None, 8)), keras.Input((None,))
    model = keras.Model([inputs, known], Prefixed(name="layer")(inputs, known))
    assert Graph.of(model).closed == {}
    x = [tokens(2, 7), np.random.default_rng(0).normal(size=(2, 4)).astype("float32")]
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)
