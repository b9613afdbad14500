"""Matrix multiplication and convolutions: every path gives the bits of the formula."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from ops.paths import assert_same_bits, integers

from kerasopt import ops

few = hypothesis.settings(max_examples=12, deadline=None, derandomize=True)
int8 = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))


@st.composite
def quantizations(draw):
    low, high = sorted((draw(int8), draw(int8)))
    return {
        "input_zero_point": draw(int8),
        "output_zero_point": draw(int8),
        "output_min": low,
        "output_max": high,
    }


def channel_inputs(rng, channels):
    bias = rng.integers(-(2**15), 2**15, channels).astype("int32")
    multiplier = (10 ** rng.uniform(-6, -1, channels)).astype("float32")
    return bias, multiplier


def requantize(accumulator, bias, multiplier, quantization):
    """Section 4 of the design in NumPy, from an int64 sum."""
    total = (accumulator + bias).astype("int32")
    q = np.rint(total.astype("float32") * multiplier) + quantization["output_zero_point"]
    return np.clip(q, quantization["output_min"], quantization["output_max"]).astype("int8")


def convolve(x, kernel, strides, dilation_rate, padding, zero_point):
    """int64 sums of a convolution, window by window; kernel (H, W, C, D) gives (..., C, D)."""
    x = x.astype("int64") - zero_point
    spans = [(k - 1) * d + 1 for k, d in zip(kernel.shape, dilation_rate, strict=False)]
    if padding == "same":
        pads = []
        for size, span, stride in zip(x.shape[1:3], spans, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
            pads.append((total // 2, total - total // 2))
        x = np.pad(x, [(0, 0), *pads, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(1, 2))
    windows = windows[:, :: strides[0], :: strides[1], :, :: dilation_rate[0], :: dilation_rate[1]]
    return np.einsum("bhwcij,ijcd->bhwcd", windows, kernel.astype("int64"))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    leading=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    depth=st.sampled_from([1, 2, 3, 5, 64, 127, 511, 512, 513, 1025]),
    units=st.one_of(st.integers(1, 140), st.sampled_from([16, 17, 32, 33, 64, 65])),
    extremes=st.booleans(),
    quantization=quantizations(),
)
def test_matmul(seed, leading, depth, units, extremes, quantization):
    rng = np.random.default_rng(seed)
    x = integers(rng, (*leading, depth), extremes)
    kernel = integers(rng, (depth, units), extremes)
    bias, multiplier = channel_inputs(rng, units)
    y = assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **quantization), x, kernel, bias, multiplier
    )
    centered = x.astype("int64") - quantization["input_zero_point"]
    accumulator = centered @ kernel.astype("int64")
    np.testing.assert_array_equal(y, requantize(accumulator, bias, multiplier, quantization))


def test_matmul_of_many_rows_crosses_blocks_and_tiles():
    rng = np.random.default_rng(0)
    x, kernel = integers(rng, (251, 130)), integers(rng, (130, 77))
    quantization = {"input_zero_point": 5, "output_zero_point": -9}
    assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **quantization),
        x,
        kernel,
        *channel_inputs(rng, 77),
    )


def test_sums_beyond_int32_wrap_around_on_every_path():
    depth = 70_000
    x = np.full((1, depth), 127, "int8")
    kernel = np.full((depth, 3), -128, "int8")
    bias, multiplier = np.zeros(3, "int32"), np.full(3, 2.0**-24, "float32")
    quantization = {"input_zero_point": -128, "output_zero_point": 0}
    y = assert_same_bits(
        lambda *inputs: ops.quantized_matmul(*inputs, **quantization), x, kernel, bias, multiplier
    )
    wrapped = (255 * -128 * depth + 2**31) % 2**32 - 2**31
    assert wrapped > 0
    np.testing.assert_array_equal(y, np.rint(wrapped * 2.0**-24))


@st.composite
def convolutions(draw):
    pads = st.tuples(st.integers(0, 3), st.integers(0, 3))
    padding = draw(st.one_of(st.sampled_from(["same", "valid"]), st.tuples(pads, pads)))
    kernel_size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    # TensorFlow itself allows only one of the two to exceed 1.
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    strided = draw(st.booleans())
    smallest = 1 if padding == "same" else 10
    return {
        "size": draw(st.tuples(*[st.integers(smallest, smallest + 9)] * 2)),
        "kernel_size": kernel_size,
        "strides": window if strided else (1, 1),
        "dilation_rate": (1, 1) if strided else window,
        "padding": padding,
    }


@pytest.mark.parametrize("depthwise", [False, True])
@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    convolution=convolutions(),
    channels=st.one_of(st.integers(1, 20), st.sampled_from([63, 65])),
    last=st.integers(1, 40),
    extremes=st.booleans(),
    quantization=quantizations(),
)
def test_convolution(depthwise, seed, convolution, channels, last, extremes, quantization):
    rng = np.random.default_rng(seed)
    last = last % 3 + 1 if depthwise else last
    size, kernel_size = convolution.pop("size"), convolution.pop("kernel_size")
    x = integers(rng, (2, *size, channels), extremes)
    kernel = integers(rng, (*kernel_size, channels, last), extremes)
    bias, multiplier = channel_inputs(rng, channels * last if depthwise else last)
    op = ops.quantized_depthwise_conv2d if depthwise else ops.quantized_conv2d
    y = assert_same_bits(
        lambda *inputs: op(*inputs, **convolution, **quantization), x, kernel, bias, multiplier
    )
    zero_point = quantization["input_zero_point"]
    if not isinstance(convolution["padding"], str):
        widths = ((0, 0), *convolution.pop("padding"), (0, 0))
        x = np.pad(x, widths, constant_values=zero_point)
        convolution["padding"] = "valid"
    accumulator = convolve(x, kernel, zero_point=zero_point, **convolution)
    if depthwise:
        accumulator = accumulator.reshape(*accumulator.shape[:3], -1)
    else:
        accumulator = accumulator.sum(axis=3)
    np.testing.assert_array_equal(y, requantize(accumulator, bias, multiplier, quantization))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("rows, channels", [(1, 3), (1, 16), (6, 1), (9, 33)])
def test_what_xla_computes_in_the_same_place(dtype, rows, channels):
    """XLA's own convolution of one pixel, of what it has just rounded, has other results."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, rows, 1, channels)).astype("float32")
    kernel = integers(rng, (1, 1, channels, 17))
    zero_points = dict.fromkeys(("input_zero_point", "output_zero_point"), 0)
    assert_same_bits(
        lambda x, scale, *weights: ops.quantized_conv2d(
            ops.quantize(x, scale, 0, dtype), *weights, strides=2, **zero_points
        ),
        x,
        np.float32(0.05 if dtype == "int8" else 2e-4),
        kernel,
        *channel_inputs(rng, 17),
    )
