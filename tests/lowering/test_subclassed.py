"""Converting models whose own code says what they compute."""

import keras
import numpy as np
import pytest
from graph.models import Subclassed
from keras import layers
from lowering.trained import images, quantization_aware, randomize, run

from kerasopt.lowering import convert


class Blocks(keras.Model):
    """A subclassed model of a composite layer, a nested model and operations."""

    def __init__(self):
        super().__init__()
        self.stem = layers.Conv2D(8, 3, padding="same", activation="relu")
        self.inner = Subclassed()
        self.norm = layers.BatchNormalization()
        self.relu = layers.ReLU()
        self.body = layers.Conv2D(8, 3, padding="same")
        self.branch = layers.Conv2D(8, 3, padding="same")

    def call(self, x, training=False):
        x = self.relu(self.norm(self.body(self.stem(x)), training=training))
        x = x + self.branch(x)
        return self.inner(keras.ops.mean(x, axis=(1, 2)))


def test_subclassed_models_are_called_on_symbols():
    model, x = Blocks(), images()
    model(x)
    model = quantization_aware(randomize(model), x)
    nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    expected = run(model, x)
    with pytest.warns(UserWarning, match="Mean has no integer form"):
        integers = convert(model)
    kinds = [type(layer).__name__ for layer in integers.layers]
    # What has one reader, which rounds it.
    assert kinds.count("QuantizedConv2D") == 1 and kinds.count("QuantizedDense") == 3
    np.testing.assert_allclose(run(integers, x), expected, atol=0.05 * np.abs(expected).max())
    # The model is as it was.
    assert nodes == [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    np.testing.assert_array_equal(run(model, x), expected)
    assert type(model.inner).__name__ == "Subclassed"


def test_a_model_that_looks_at_values_raises():
    class Looking(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x) * float(np.asarray(x)[0, 0])

    model = Looking()
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    model(x)
    model = quantization_aware(model, x)
    with pytest.raises(ValueError, match="cannot be called on symbols"):
        convert(model)
