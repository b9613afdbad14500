"""How the calls of a model reach the layers of the converted one."""

import keras
import numpy as np
import pytest
from keras import layers
from lowering.trained import images, run

import kerasopt as ko
from kerasopt.lowering import convert


class Shift(layers.Layer):
    """Takes no `training`."""

    def call(self, x):
        return x + 1.0


class Moded(Shift):
    def __init__(self):
        super().__init__()
        self._register_call_context_args("mode")


@pytest.mark.parametrize("argument", ["training", "mode"])
@pytest.mark.filterwarnings("ignore:.*stay in float32:UserWarning")
def test_calls_pass_training_to_layers_that_do_not_take_it(argument):
    given = {argument: False}
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs, **({} if argument == "mode" else given))
    x = Moded()(layers.Flatten()(Shift()(x)), **given)
    model = keras.Model(inputs, layers.Dense(4)(x))
    x = images(size=8)
    model = ko.quantize(model, calibration=x, verbose=0)
    np.testing.assert_allclose(run(convert(model), x), run(model, x), atol=0.02)


@pytest.mark.parametrize(
    "shape, inner_shape, dtype",
    [((), (1,), "float32"), ((1,), (), "int32"), ((4,), (4, 1), "bool"), ((4,), (4,), "bool")],
)
@pytest.mark.filterwarnings("ignore:.*stay in float32:UserWarning")
def test_tensors_become_what_a_nested_model_declares(shape, inner_shape, dtype):
    entry = keras.Input(inner_shape)
    x = entry + entry  # of booleans it is none
    x = layers.Dense(4)(x if inner_shape else keras.ops.expand_dims(x, -1))
    inner = keras.Model(entry, layers.Flatten()(x), name="inner")
    inputs = keras.Input(shape, dtype=dtype)
    model = keras.Model(inputs, inner(inputs))
    x = np.random.default_rng(0).integers(0, 2, (16, *shape)).astype(dtype)
    model = ko.quantize(model, calibration=x, verbose=0)
    np.testing.assert_allclose(run(convert(model), x), run(model, x), atol=0.02)
