"""Contractions and sums of int16 values: every path gives the bits of the formula."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import assert_same_bits, integers
from ops.test_contractions import convolutions, convolve

from kerasopt import ops

few = hypothesis.settings(max_examples=6, deadline=None, derandomize=True)
int16 = st.one_of(st.sampled_from([-32768, 32767]), st.integers(-32768, 32767))
ZERO_POINTS = {"input_zero_point": 0, "output_zero_point": 0}


@st.composite
def ranges(draw):
    low, high = sorted((draw(int16), draw(int16)))
    return {"output_min": low, "output_max": high, **ZERO_POINTS}


def values(rng, shape, extremes):
    ends = rng.choice([-32768, 32767], shape)
    return np.asarray(ends if extremes else rng.integers(-32768, 32768, shape)).astype("int16")


def channel_inputs(rng, channels):
    bias = rng.integers(-(2**31), 2**31, channels).astype("int32")
    multiplier = (10 ** rng.uniform(-9, -3, channels)).astype("float32")
    return bias, multiplier


def requantize(accumulator, products, bias, multiplier, quantization):
    """The formula of `kerasopt.ops.requantization` in NumPy, from an int64 sum."""
    shift = 1
    while (products * 2**22 + 2**31) >> shift >= 2**31 - 1:
        shift += 1
    total = (accumulator + bias + 2 ** (shift - 1)) >> shift
    assert (abs(total) <= 2**31 - 1).all()
    q = np.rint(total.astype("float32") * (multiplier * np.float32(2**shift)))
    return np.clip(q, quantization["output_min"], quantization["output_max"]).astype("int16")


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    leading=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    depth=st.sampled_from([1, 2, 3, 5, 64, 127, 511, 512, 513, 1025]),
    units=st.one_of(st.integers(1, 140), st.sampled_from([16, 17, 64, 65])),
    extremes=st.booleans(),
    quantization=ranges(),
)
def test_matmul(seed, leading, depth, units, extremes, quantization):
    rng = np.random.default_rng(seed)
    x = values(rng, (*leading, depth), extremes)
    kernel = integers(rng, (depth, units), extremes)
    channels = channel_inputs(rng, units)
    y = assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **quantization), x, kernel, *channels
    )
    accumulator = x.astype("int64") @ kernel.astype("int64")
    np.testing.assert_array_equal(y, requantize(accumulator, depth, *channels, quantization))


@pytest.mark.parametrize("depthwise", [False, True])
@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    convolution=convolutions(),
    channels=st.one_of(st.integers(1, 20), st.sampled_from([63, 65])),
    last=st.integers(1, 40),
    extremes=st.booleans(),
    quantization=ranges(),
)
def test_convolution(depthwise, seed, convolution, channels, last, extremes, quantization):
    rng = np.random.default_rng(seed)
    last = last % 3 + 1 if depthwise else last
    size, kernel_size = convolution.pop("size"), convolution.pop("kernel_size")
    x = values(rng, (2, *size, channels), extremes)
    kernel = integers(rng, (*kernel_size, channels, last), extremes)
    weights = channel_inputs(rng, channels * last if depthwise else last)
    op = ops.quantized_depthwise_conv2d if depthwise else ops.quantized_conv2d
    y = assert_same_bits(
        lambda *inputs: op(*inputs, **convolution, **quantization), x, kernel, *weights
    )
    if not isinstance(convolution["padding"], str):
        x = np.pad(x, ((0, 0), *convolution.pop("padding"), (0, 0)))
        convolution["padding"] = "valid"
    accumulator = convolve(x, kernel, zero_point=0, **convolution)
    products = int(np.prod(kernel_size))
    if depthwise:
        accumulator = accumulator.reshape(*accumulator.shape[:3], -1)
    else:
        accumulator, products = accumulator.sum(axis=3), products * channels
    np.testing.assert_array_equal(y, requantize(accumulator, products, *weights, quantization))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    shapes=st.sampled_from([((9, 70), (9, 70)), ((3, 1, 5), (4, 1)), ((), (7,))]),
    ratios=st.tuples(*[st.floats(2**-9, 2**7, width=32)] * 2),
    extremes=st.booleans(),
    output_range=st.tuples(int16, int16).map(sorted),
)
def test_add(seed, shapes, ratios, extremes, output_range):
    rng = np.random.default_rng(seed)
    x0, x1 = (values(rng, shape, extremes) for shape in shapes)
    output_scale = 0.37
    scales = [ratio * output_scale for ratio in ratios]
    y = assert_same_bits(
        lambda x0, x1: ops.quantized_add(
            x0,
            x1,
            scale0=scales[0],
            scale1=scales[1],
            zero_point0=0,
            zero_point1=0,
            output_scale=output_scale,
            output_zero_point=0,
            output_min=output_range[0],
            output_max=output_range[1],
        ),
        x0,
        x1,
    )
    ratio = [np.float32(np.float32(scale) / np.float32(output_scale)) for scale in scales]
    k = 20 - math.floor(math.log2(max(ratio)))
    m0, m1 = (int(np.rint(np.float64(r) * 2.0**k)) for r in ratio)
    total = x0.astype("int64") * m0 + x1.astype("int64") * m1 + 2 ** (k - 1)
    np.testing.assert_array_equal(y, np.clip(total >> k, *output_range))


def test_sums_are_rounded_when_they_are_shifted():
    rng = np.random.default_rng(0)
    x, kernel = (rng.integers(-3, 4, shape) for shape in ((20, 5), (5, 30)))
    channels = rng.integers(-9, 10, 30).astype("int32"), np.full(30, 0.5, "float32")
    quantization = {"output_min": -32768, "output_max": 32767, **ZERO_POINTS}
    y = assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **quantization),
        x.astype("int16"),
        kernel.astype("int8"),
        *channels,
    )
    np.testing.assert_array_equal(y, requantize(x @ kernel, 5, *channels, quantization))


def test_groups_and_formats_of_weights():
    rng = np.random.default_rng(0)
    x, kernel = values(rng, (1, 6, 6, 16), False), rng.integers(-8, 8, (3, 3, 8, 20))
    weights = channel_inputs(rng, 20)
    packing = {"groups": 2, "dilation_rate": (1, 1)}
    results = []
    for weight_format in ("int8", "int4"):
        packed = ops.PackedWeights.pack(
            kernel.astype("int8"), *weights, format=weight_format, **packing
        )
        results.append(
            assert_same_bits(
                lambda x, stored, packed=packed: ops.quantized_conv2d(
                    x, packed._replace(values=stored), groups=2, **ZERO_POINTS
                ),
                x,
                np.asarray(packed.values),
            )
        )
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("value", [-32768, 32767])
def test_the_largest_sums(value):
    x, kernel = np.full((1, 65536), value, "int16"), np.full((65536, 2), -128, "int8")
    bias = np.array([-(2**31), 2**31 - 1], "int32")
    multiplier = np.float32([1e-8, 1e-7])
    y = assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **ZERO_POINTS), x, kernel, bias, multiplier
    )
    wanted = np.rint((value * -128.0 * 65536 + bias) * multiplier)
    np.testing.assert_array_equal(y[0], np.clip(wanted, -32768, 32767))


def test_more_products_raise():
    x, kernel = tf.zeros((1, 65537), "int16"), tf.zeros((65537, 1), "int8")
    with pytest.raises(tf.errors.InvalidArgumentError, match="65536 products. Received: 65537"):
        ops.quantized_matmul(x, kernel, tf.zeros(1, "int32"), tf.ones(1), **ZERO_POINTS)
    image, kernel = tf.zeros((1, 32, 32, 1), "int16"), tf.zeros((32, 16, 1, 1), "int8")
    with pytest.raises(tf.errors.InvalidArgumentError, match="511 products. Received: 512"):
        ops.quantized_depthwise_conv2d(
            image, kernel, tf.zeros(1, "int32"), tf.ones(1), **ZERO_POINTS
        )


@pytest.mark.parametrize("name", ["input_zero_point", "output_zero_point"])
def test_zero_points_raise(name):
    x, kernel = tf.zeros((1, 4), "int16"), tf.zeros((4, 1), "int8")
    arguments = {**ZERO_POINTS, name: 1}
    with pytest.raises(ValueError, match=f"`{name}` must be an integer from 0 to 0"):
        ops.quantized_matmul(x, kernel, tf.zeros(1, "int32"), tf.ones(1), **arguments)


def test_sparse_weights_raise():
    kernel = np.zeros((4, 2), "int8")
    weights = ops.SparseWeights.pack(kernel, np.zeros(2, "int32"), np.ones(2, "float32"))
    with pytest.raises(ValueError, match="`x` must be a tensor of dtype int8"):
        ops.quantized_matmul(tf.zeros((1, 4), "int16"), weights, **ZERO_POINTS)
