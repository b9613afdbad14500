"""Fourier transforms, which converters do not know: files compute what Keras does."""

import keras
import numpy as np
import pytest
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops
from lowering.trained import run


class Transforms(layers.Layer):
    def call(self, x):
        y = x[..., ::-1]
        found = [ops.fft((x, y)), ops.fft2((x, y)), ops.ifft2((x, y))]
        return keras.tree.flatten(found)


@pytest.mark.parametrize("format", RUNTIMES)
def test_files_transform_sequences_of_any_length(format, tmp_path):
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, Transforms()(inputs))
    file = exported(model, format, tmp_path)
    for length in (5, 16):
        x = np.random.default_rng(0).normal(size=(2, length, 8)).astype("float32")
        for found, expected in zip(file(x), run(model, x), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-4)
