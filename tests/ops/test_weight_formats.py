"""Weights that are stored in fewer bytes give the bits that int8 ones give, on every path."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import assert_same_bits, integers

from kerasopt import ops

few = hypothesis.settings(max_examples=6, deadline=None, derandomize=True)
formats = st.sampled_from(["int8", "int4", "2:4"])
sizes = st.one_of(st.sampled_from([1, 4, 16, 64, 129]), st.integers(1, 90))
ZERO_POINTS = {"input_zero_point": -3, "output_zero_point": 5}


def kernel_for(weight_format, rng, shape):
    """Random weights that the format holds: the whole range, its ends, or zeros."""
    low, high = (-8, 7) if weight_format == "int4" else (-128, 127)
    kernel = rng.integers(low, high + 1, shape)
    kernel = rng.choice([kernel, np.where(kernel < 0, low, high), kernel * 0])
    if weight_format == "2:4":
        # Of four neighbours along the input axis, two that chance chooses.
        rows = -(-shape[-2] // 4) * 4
        order = rng.random((*shape[:-2], rows // 4, 4, shape[-1])).argsort(-2).argsort(-2)
        kept = (order < 2).reshape(*shape[:-2], rows, shape[-1])
        kernel = kernel * kept[..., : shape[-2], :]
    return kernel.astype("int8")


def weights_for(weight_format, rng, shape, lines=None, **packing):
    """Random weights as int8 and in a format; `lines` is the shape whose rows are neighbours."""
    channels, lines = shape[-1], lines or shape
    kernel = kernel_for(weight_format, rng, lines).reshape(shape)
    bias = rng.integers(-9999, 9999, channels).astype("int32")
    multiplier = rng.uniform(1e-5, 1e-2, channels).astype("float32")
    plain = ops.PackedWeights.pack(kernel, bias, multiplier, **packing)
    return plain, ops.PackedWeights.pack(kernel, bias, multiplier, format=weight_format, **packing)


def as_variable(packed):
    """The weights as a layer has them."""
    return packed._replace(values=tf.Variable(packed.values))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 14), depth=sizes, units=sizes, fmt=formats
)
def test_matmul(seed, rows, depth, units, fmt):
    rng = np.random.default_rng(seed)
    x = integers(rng, (rows, depth))
    plain, packed = map(as_variable, weights_for(fmt, rng, (depth, units)))
    for part, expected in zip(packed.unpack(), plain.unpack(), strict=True):
        np.testing.assert_array_equal(part, expected)
    y = assert_same_bits(lambda x: ops.quantized_matmul(x, packed, **ZERO_POINTS), x)
    np.testing.assert_array_equal(y, ops.quantized_matmul(tf.constant(x), plain, **ZERO_POINTS))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 3),
    channels=st.integers(1, 9),
    filters=st.integers(1, 20),
    groups=st.sampled_from([1, 2, 3]),
    window=st.fixed_dictionaries(
        {
            "strides": st.sampled_from([1, (2, 1)]),
            "padding": st.sampled_from(["same", "valid", ((0, 1), (2, 0))]),
            "dilation_rate": st.sampled_from([1, 2]),
        }
    ),
    fmt=formats,
)
def test_conv2d(seed, size, channels, filters, groups, window, fmt):
    rng = np.random.default_rng(seed)
    x = integers(rng, (2, 7, 6, channels * groups))
    if window["strides"] != 1:
        window["dilation_rate"] = 1
    rate = (window["dilation_rate"],) * 2
    shape = size, size, channels, filters * groups
    # The pixels of a line lie side by side where nothing parts them.
    is_whole = groups == 1 and (rate == (1, 1) or size == 1)
    lines = (size, size * channels, filters) if is_whole else shape
    weights = weights_for(fmt, rng, shape, lines, groups=groups, dilation_rate=rate)
    plain, packed = map(as_variable, weights)
    arguments = {"groups": groups, **window, **ZERO_POINTS}
    y = assert_same_bits(lambda x: ops.quantized_conv2d(x, packed, **arguments), x)
    np.testing.assert_array_equal(y, ops.quantized_conv2d(tf.constant(x), plain, **arguments))


@few
@hypothesis.given(seed=st.integers(0, 2**32 - 1), depth=sizes, units=sizes, fmt=formats)
def test_dynamic_matmul(seed, depth, units, fmt):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, depth)).astype("float32")
    floats = rng.normal(size=units).astype("float32"), rng.uniform(0.01, 1.0, units)
    packed = ops.PackedWeights.pack(
        kernel_for(fmt, rng, (depth, units)),
        floats[0],
        floats[1].astype("float32"),
        bias_dtype="float32",
        format=fmt,
    )
    packed = as_variable(packed)
    assert_same_bits(lambda x: ops.dynamic_matmul(x, packed), x)


@pytest.mark.parametrize("fmt, bits", [("int8", 8), ("int4", 4), ("2:4", 5)])
def test_bytes_of_a_large_kernel(fmt, bits):
    size = ops.PackedWeights(None, (512, 512), format=fmt).size
    assert size == 512 * 512 * bits // 8 + 512 * 8


@pytest.mark.parametrize(
    "rows, smallest", [([7, -8], "int4"), ([8, 0], "2:4"), ([8, 8], "2:4"), ([8, 8, 8], "int8")]
)
def test_smallest_format(rows, smallest):
    kernel = np.zeros((8, 3), "int8")
    kernel[4 : 4 + len(rows), 1] = rows
    assert ops.PackedWeights.smallest_format(kernel) == smallest


@pytest.mark.parametrize("fmt, kernel", [("int4", [[8]]), ("2:4", [[1]] * 3)])
def test_weights_that_a_format_cannot_hold_are_refused(fmt, kernel):
    vectors = np.zeros(1, "int32"), np.ones(1, "float32")
    with pytest.raises(ValueError, match=f"'{fmt}' does not support the weights.*Received: kernel"):
        ops.PackedWeights.pack(np.array(kernel, "int8"), *vectors, format=fmt)
