"""Operations that converters know in some forms only: files compute what Keras does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from exporters.test_borders import RUNTIMES, exported
from keras import layers, ops
from lowering.trained import run

CALLS = [
    lambda x: x[:, None],
    lambda x: x[:, :, None, 1:],
    lambda x: x[None, ..., 0],
    lambda x: x[:, None, ..., None, 2:5:2],
    lambda x: x[:, -2:, None, ::2, None, 0],
    lambda x: ops.roll(x, 1, axis=1),
    lambda x: ops.roll(x, (-3, 2), axis=(1, 2)),
    lambda x: ops.roll(x, -3, axis=-1),
    lambda x: ops.absolute(ops.cast(x, "int64")),
    lambda x: ops.sign(ops.cast(x, "int64")),
    lambda x: ops.sign(x),
    lambda x: ops.einsum("bijd,d->bijd", x, x[0, 0, 0]),
    lambda x: ops.einsum("bi,j->jbi", x[:, :, 0, 0], x[0, 0, :, 0]),
    lambda x: ops.einsum("bijd,djib->ijb", x, ops.transpose(x)),
]


class Calls(layers.Layer):
    """Keras does not see what it calls."""

    def call(self, x):
        return [call(x) for call in CALLS]


@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("layer", [Calls().call, Calls()], ids=["operations", "layer"])
def test_files_compute_what_keras_does(format, layer, tmp_path):
    inputs = keras.Input((None, None, 8))
    model = keras.Model(inputs, layer(inputs))
    file = exported(model, format, tmp_path)
    for length in (7, 2):
        # Whole numbers, of which sums are the same in any order.
        x = np.rint(9 * np.random.default_rng(0).normal(size=(3, length, 5, 8))).astype("float32")
        for found, expected in zip(file(x), run(model, x), strict=True):
            np.testing.assert_array_equal(found, expected)


class Steps(layers.Layer):
    """Sums up in a loop of Python, as keras-hub's recurrent layers do."""

    def call(self, x):
        found, state = tf.TensorArray("float32", size=x.shape[1]), x[:, 0]
        for step in range(x.shape[1]):
            state = state / 2 + x[:, step]
            found = found.write(step, state)
        return ops.transpose(found.stack(), (1, 0, 2))


@pytest.mark.parametrize("format", RUNTIMES)
def test_arrays_that_a_loop_of_python_fills_are_tensors(format, tmp_path):
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, Steps()(inputs))
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    np.testing.assert_allclose(exported(model, format, tmp_path)(x)[0], run(model, x), atol=1e-6)
