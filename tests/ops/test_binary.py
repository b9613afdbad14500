"""Signs times weights of -1 and 1: every path gives the bits of the formula."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import assert_same_bits

from kerasopt import ops

few = hypothesis.settings(max_examples=6, deadline=None, derandomize=True)
sizes = st.one_of(st.sampled_from([1, 8, 32, 33, 64, 130]), st.integers(1, 90))


def weights_for(rng, shape):
    kernel = rng.choice([-1, 1], shape).astype("int8")
    bias = rng.normal(size=shape[-1]).astype("float32")
    scale = rng.uniform(1e-3, 2.0, shape[-1]).astype("float32")
    packed = ops.PackedWeights.pack(kernel, bias, scale, bias_dtype="float32", format="binary")
    for part, expected in zip(packed.unpack(), (kernel, bias, scale), strict=True):
        np.testing.assert_array_equal(part, expected)
    return packed._replace(values=tf.Variable(packed.values)), kernel, bias, scale


def scaled(sums, bias, scale):
    m = scale / np.float32(2**12)
    return (sums * 2**12 + np.rint(bias / m)).astype("int32").astype("float32") * m


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 130), depth=sizes, units=sizes
)
def test_matmul(seed, rows, depth, units):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, depth)).astype("float32")
    x[0, 0], x[-1, -1] = -0.0, np.nan
    packed, kernel, bias, scale = weights_for(rng, (depth, units))
    y = assert_same_bits(lambda x: ops.binary_matmul(x, packed), x)
    sums = np.where(x >= 0, 1, -1) @ kernel.astype("int64")
    np.testing.assert_array_equal(y, scaled(sums, bias, scale))
    np.testing.assert_allclose(y, sums * scale + bias, rtol=1e-3, atol=1e-3)


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=sizes,
    filters=sizes,
    strides=st.sampled_from([1, (2, 1)]),
    padding=st.sampled_from(["same", "valid", ((0, 1), (3, 0))]),
    dilation_rate=st.sampled_from([1, 2]),
)
def test_conv2d(seed, size, channels, filters, strides, padding, dilation_rate):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 6, 7, channels)).astype("float32")
    packed, kernel, bias, scale = weights_for(rng, (*size, channels, filters))
    window = {
        "strides": strides,
        "padding": padding,
        "dilation_rate": 1 if strides != 1 else dilation_rate,
    }
    y = assert_same_bits(lambda x: ops.binary_conv2d(x, packed, **window), x)
    signs = np.where(x >= 0, 1.0, -1.0).astype("float32")
    if not isinstance(padding, str):
        signs = np.pad(signs, [(0, 0), *padding, (0, 0)])
    sums = tf.nn.convolution(
        signs,
        kernel.astype("float32"),
        strides if isinstance(strides, tuple) else (strides,) * 2,
        padding.upper() if isinstance(padding, str) else "VALID",
        dilations=window["dilation_rate"],
    )
    np.testing.assert_array_equal(y, scaled(np.array(sums), bias, scale))


def test_leading_axes_and_no_rows():
    rng = np.random.default_rng(0)
    packed, *_ = weights_for(rng, (40, 3))
    x = rng.normal(size=(2, 5, 40)).astype("float32")
    y = ops.binary_matmul(tf.constant(x), packed)
    flat = ops.binary_matmul(tf.constant(x.reshape(10, 40)), packed)
    np.testing.assert_array_equal(y, np.array(flat).reshape(2, 5, 3))


def test_bytes():
    assert ops.PackedWeights(None, (512, 512), format="binary").size == 512 * 512 // 8 + 512 * 8


@pytest.mark.parametrize("channels", [39, 41])
def test_channels_that_do_not_fit(channels):
    packed, *_ = weights_for(np.random.default_rng(0), (1, 1, 40, 3))
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="channels|[Dd]imension"):
        ops.binary_conv2d(tf.zeros((1, 2, 2, channels)), packed)


def test_a_scale_of_zero_is_refused():
    kernel, zeros = np.ones((4, 2), "int8"), np.zeros(2, "float32")
    packed = ops.PackedWeights.pack(kernel, zeros, zeros, bias_dtype="float32", format="binary")
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive and finite"):
        ops.binary_matmul(tf.zeros((1, 4)), packed)
