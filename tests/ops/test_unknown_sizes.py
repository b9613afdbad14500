"""Images whose size is not known while the reference is traced."""

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from ops.paths import integers

from kerasopt import ops
from kerasopt.ops import native

POINTS = {"input_zero_point": -3, "output_zero_point": 5}
SCALES = {"input_scale": 0.07, "output_scale": 0.05}
RNG = np.random.default_rng(0)
BIAS = tf.constant(RNG.integers(-999, 999, 4).astype("int32"))
MULTIPLIER = tf.constant(RNG.uniform(1e-4, 1e-3, 4).astype("float32"))
KERNEL = tf.constant(integers(RNG, (3, 2, 4, 4)))
DEPTHWISE = tf.constant(integers(RNG, (3, 2, 4, 1)))

FUNCTIONS = {
    "conv2d": lambda x, **window: ops.quantized_conv2d(
        x, KERNEL, BIAS, MULTIPLIER, **window, **POINTS
    ),
    "depthwise_conv2d": lambda x, **window: ops.quantized_depthwise_conv2d(
        x, DEPTHWISE, BIAS, MULTIPLIER, **window, **POINTS
    ),
    "average_pool": lambda x, **window: ops.quantized_average_pool(
        x, pool_size=(3, 2), **window, **SCALES, **POINTS
    ),
    "mean": lambda x, **window: ops.quantized_mean(x, **SCALES, **POINTS),
}


@pytest.mark.parametrize("image", [(None, None), (None, 8)], ids=str)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_a_known_size(name, padding, image):
    spec = tf.TensorSpec((None, *image, 4), "int8")
    for strides in (1, 2, 5):
        function = lambda x, s=strides: FUNCTIONS[name](x, strides=s, padding=padding)  # noqa: E731
        with mock.patch.object(native, "load", lambda: None):
            traced = tf.function(function, input_signature=[spec])
            compiled = tf.function(function, input_signature=[spec], jit_compile=True)
            traced.get_concrete_function(), compiled.get_concrete_function()
        # Here the compiler knows the size after all.
        inlined = tf.function(lambda x, traced=traced: traced(x))
        for height in (9, 13):
            x = tf.constant(integers(RNG, (2, height, 8, 4)))
            expected = function(x)
            for run in (traced, compiled, inlined):
                np.testing.assert_array_equal(run(x), expected)
