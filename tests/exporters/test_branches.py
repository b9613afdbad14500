"""Layers whose code takes one of two branches, which read weights."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops
from lowering.trained import randomize, run

import kerasopt as ko


class Branches(layers.Layer):
    """Embeds masks, or what stands for none where their number is zero, as prompts have it."""

    def build(self, shape):
        self.kernel_layer = layers.Conv2D(16, 3, strides=2, padding="same")
        self.kernel_layer.build((None, *shape[2:]))
        self.none = self.add_weight(shape=(16,), initializer="random_normal", name="none")

    def call(self, masks):
        examples, count, height, width, channels = ops.shape(masks)

        def embedded():
            return self.kernel_layer(ops.reshape(masks[:, 0], (examples, height, width, channels)))

        def nothing():
            return ops.broadcast_to(self.none, (examples, height // 2, width // 2, 16))

        return ops.cond(ops.sum(masks) > 0, embedded, nothing)


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("spec", [None, "int8", "int4_weight_only"])
@pytest.mark.parametrize("format", RUNTIMES)
def test_files_take_the_branch_that_the_model_takes(spec, format, tmp_path):
    inputs = keras.Input((None, 8, 8, 4))
    model = randomize(keras.Model(inputs, layers.Dense(3)(Branches()(inputs))))
    x = np.random.default_rng(0).uniform(size=(2, 3, 8, 8, 4)).astype("float32")
    if spec is not None:
        calibration = x if spec == "int8" else None
        model = ko.convert(ko.quantize(model, spec, calibration=calibration, verbose=0), spec)
    file = exported(model, format, tmp_path)
    for each in (x, -x):
        (found,) = file(each)
        np.testing.assert_allclose(found, run(model, each), atol=1e-5)
    assert np.any(file(x)[0] != file(-x)[0])
