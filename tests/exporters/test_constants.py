"""Integer layers that read constants, such as positions and class tokens."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers
from lowering.trained import randomize, run

import kerasopt as ko


@keras.saving.register_keras_serializable(package="tests")
class Positions(layers.Layer):
    """Adds a table that is looked up at every place."""

    def build(self, shape):
        self.table = layers.Embedding(shape[-2], shape[-1])
        self.table.build()

    def call(self, x):
        table = self.table(keras.ops.arange(x.shape[-2]))
        return x + table


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("shape", [(6, 16), (3, 4, 16)])
def test_files_have_the_constants_that_integers_are_added_to(format, shape, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input(shape)
    x = layers.Conv2D(16, 1)(inputs) if len(shape) == 3 else layers.Dense(16)(inputs)
    model = randomize(keras.Model(inputs, layers.Dense(4)(Positions()(x))))
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype("float32")
    integers = ko.convert(ko.quantize(model, "int8", calibration=x, verbose=0))
    assert "QuantizedAdd" in [type(layer).__name__ for layer in integers.layers]
    (found,) = exported(integers, format, tmp_path)(x)
    np.testing.assert_allclose(found, run(integers, x), atol=1e-5)
