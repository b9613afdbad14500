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
    "max_pool": lambda x, **window: ops.max_pool(x, pool_size=(3, 2), **window),
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


@pytest.mark.parametrize("spec", [(None, None), (None, 8)], ids=str)
@pytest.mark.parametrize("has_library", [True, False])
def test_functions_and_pairs(has_library, spec):
    table, exponentials = tf.constant(integers(RNG, 256)), ops.exponentials(0.1)
    scales = {"scale0": 0.1, "scale1": 0.2, "output_scale": 0.15}
    points = {"zero_point0": 1, "zero_point1": -2, "output_zero_point": 3}
    functions = [
        lambda x: ops.look_up(x, table),
        lambda x: ops.quantized_softmax(x, exponentials),
        lambda x: ops.quantized_add(x, x[:1], **scales, **points),
        lambda x: ops.quantized_multiply(x, x[:1], **scales, **points),
        lambda x: ops.quantized_batch_matmul(x, tf.transpose(x), **scales, **points),
    ]
    x = tf.constant(integers(RNG, (5, 8)))
    for function in functions:
        expected = function(x)
        load = native.load if has_library else lambda: None
        with mock.patch.object(native, "load", load):
            traced = tf.function(function, input_signature=[tf.TensorSpec(spec, "int8")])
            np.testing.assert_array_equal(traced(x), expected)
