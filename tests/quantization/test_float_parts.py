import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.quantization import float_parts


def quantized(outputs, inputs, rules=()):
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(8, *inputs.shape[1:])).astype("float32")
    return ko.quantize(model, "int8", x, rules=rules, verbose=0)


def test_a_network_of_integer_groups_has_none():
    inputs = keras.Input((8, 8, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs)))
    y = layers.MaxPooling2D(1)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Concatenate()([layers.Conv2D(2, 1)(x + y), layers.Conv2D(3, 1)(y)])
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    assert float_parts(quantized(layers.Softmax()(x), inputs)) == {}


@pytest.mark.parametrize(
    "middle, name, reason",
    [
        (layers.PReLU(name="prelu"), "prelu", "PReLU has no integer form"),
        (layers.Dense(4, "log_softmax", name="own"), "own", "own activation has no integer form"),
        (layers.Dense(4, name="plain"), "plain", "no rule quantizes it"),
        (lambda x: keras.ops.cumsum(x, 1), "cumsum", "Cumsum has no integer form"),
        (layers.Bidirectional(layers.GRU(2, return_sequences=True)), "bidirect", "not recorded"),
    ],
    ids=["layer", "own activation", "left out", "operation", "composite"],
)
def test_what_stays_float_is_named_with_the_reason(middle, name, reason):
    inputs = keras.Input((5, 4))
    x = middle(layers.ReLU()(layers.Dense(4, name="before")(inputs)))
    found = float_parts(quantized(layers.Dense(2, name="top")(x), inputs, [("plain", None)]))
    ((path, why),) = found.items()
    assert path.startswith(name) and reason in why


def test_what_prepares_the_input_stays_float():
    inputs = keras.Input((4,))
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    (reason,) = float_parts(quantized(layers.Dense(2)(x), inputs)).values()
    assert "is not between integer operations" in reason


class Looking(keras.layers.Layer):
    """Does what depends on a value, so it cannot be recorded."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)

    def build(self, shape):
        self.dense.build(shape)
        super().build(shape)

    def call(self, x):
        y = self.dense(x)
        return keras.ops.cond(keras.ops.any(x > 0), lambda: y, lambda: -y)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 4)


def test_what_cannot_be_recorded_is_named_with_the_reason():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(2)(Looking(name="looking")(inputs)))
    quantized = ko.quantize(model, "int8", np.ones((4, 8), "float32"), verbose=0)
    assert "control flow (Cond)" in float_parts(quantized)["looking"]
