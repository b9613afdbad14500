"""Layers that declare another shape than they compute: files have what they compute."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops
from lowering.trained import randomize, run

import kerasopt as ko


class Angles(layers.Layer):
    """Says that its output has the shape of its input."""

    def call(self, positions):
        return ops.sin(positions[..., None] * np.float32([1, 0.1, 0.01, 0.001]))

    def compute_output_shape(self, shape):
        return shape


class Projection(layers.Layer):
    def build(self, shape):
        self.dense = layers.Dense(4, name="inner")
        self.dense.build((None, 4))

    def call(self, x):
        return self.dense(x)


def rotated():
    positions, x = keras.Input((None,), name="positions"), keras.Input((None, 8), name="x")
    angles = Projection(name="projection")(Angles(name="angles")(positions))
    angles = Projection(name="second")(angles)  # with an inner layer of the same name
    hidden = layers.Dense(4, activation="relu")(x)
    return randomize(keras.Model([positions, x], [angles, layers.Dense(2)(hidden)]))


def data(length):
    generator = np.random.default_rng(length)
    return [generator.normal(size=(2, length, *rest)).astype("float32") for rest in ((), (8,))]


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("format", RUNTIMES)
def test_files_have_the_shapes_that_are_computed(format, tmp_path):
    model = rotated()
    integers = ko.convert(ko.quantize(model, "int8", calibration=data(5), verbose=0))
    calls = [len(layer._inbound_nodes) for layer in integers.layers]
    with pytest.warns(UserWarning, match=r"'angles' computes \(None, None, 4\), not \(None, None"):
        file = exported(integers, format, tmp_path)
    for length in (5, 3):
        x = data(length)
        for found, expected in zip(file(*x), run(integers, x), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)
    # Nothing of it stays in the model.
    assert calls == [len(layer._inbound_nodes) for layer in integers.layers]
    assert integers.get_layer("angles").compute_output_shape((None, 7)) == (None, 7)


@pytest.mark.parametrize("format", RUNTIMES)
def test_layers_that_do_not_take_these_shapes_are_an_error(format, tmp_path):
    inputs = keras.Input((8, 8, 3))
    cropped = layers.RandomCrop(6, 6, name="crop")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3)(cropped))))
    integers = ko.convert(ko.quantize(model, "int8_weight_only", verbose=0))
    with pytest.raises(ValueError, match="another shape"):
        exported(integers, format, tmp_path)
    assert not list(tmp_path.iterdir())


class Streams(layers.Layer):
    """Says that it returns two tensors, and returns one where it is given one."""

    def build(self, x_shape, query_shape=None):
        self.dense = layers.Dense(4)
        self.dense.build((None, 4))

    def call(self, x, query=None):
        return self.dense(x), None if query is None else self.dense(query)

    def compute_output_shape(self, x_shape, query_shape=None):
        return [x_shape, x_shape]


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("format", RUNTIMES)
def test_what_layers_return_nothing_for_is_no_tensor_of_a_file(format, tmp_path):
    positions = keras.Input((None,))
    x, query = Streams(name="first")(Angles()(positions))
    (x, _) = Streams(name="last")(x, query)
    model = randomize(keras.Model(positions, ops.relu(x)))
    (values, _) = data(5)
    with pytest.warns(UserWarning, match="'angles.*computes"):
        (found,) = exported(model, format, tmp_path)(values)
    np.testing.assert_allclose(found, run(model, values), atol=1e-5)


@pytest.mark.parametrize("format", RUNTIMES)
def test_outputs_that_are_nothing_are_an_error(format, tmp_path):
    inputs = keras.Input((None, 4))
    model = randomize(keras.Model(inputs, Streams(name="streams")(inputs)))
    with pytest.raises(ValueError, match=r"'streams' declares an output .* but returns None"):
        exported(model, format, tmp_path)
    assert not list(tmp_path.iterdir())


class Sees(layers.Layer):
    """Returns booleans, which Keras does not know from a shape."""

    def call(self, x):
        return x > 0

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("format", RUNTIMES)
def test_files_have_the_dtypes_that_are_computed(format, tmp_path):
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, Sees(name="sees")(inputs))
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    with pytest.warns(UserWarning, match="'sees' computes bool, not float32"):
        (found,) = exported(model, format, tmp_path)(x)
    np.testing.assert_array_equal(found, x > 0)
