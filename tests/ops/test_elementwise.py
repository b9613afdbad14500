"""Add and global mean: every path gives the bits of the formula."""

import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from ops.paths import assert_same_bits, integers

from kerasopt import ops

few = hypothesis.settings(max_examples=12, deadline=None, derandomize=True)
int8 = st.one_of(st.sampled_from([-128, 0, 127]), st.integers(-128, 127))
ratios = st.floats(2**-9, 2**7, width=32)


@few
@hypothesis.given(
    ratio0=ratios,
    ratio1=ratios,
    zero_points=st.tuples(int8, int8, int8),
    output_range=st.tuples(int8, int8).map(sorted),
)
def test_add_of_all_pairs(ratio0, ratio1, zero_points, output_range):
    x0, x1 = (grid.astype("int8") for grid in np.mgrid[-128:128, -128:128])
    output_scale = 0.37
    scales = [ratio * output_scale for ratio in (ratio0, ratio1)]
    y = assert_same_bits(
        lambda x0, x1: ops.quantized_add(
            x0,
            x1,
            scale0=scales[0],
            scale1=scales[1],
            zero_point0=zero_points[0],
            zero_point1=zero_points[1],
            output_scale=output_scale,
            output_zero_point=zero_points[2],
            output_min=output_range[0],
            output_max=output_range[1],
        ),
        x0,
        x1,
    )
    ratio = [np.float32(np.float32(scale) / np.float32(output_scale)) for scale in scales]
    k = 20 - math.floor(math.log2(max(ratio)))
    m0, m1 = (int(np.rint(np.float64(r) * 2.0**k)) for r in ratio)
    total = (x0.astype("int64") - zero_points[0]) * m0 + (x1.astype("int64") - zero_points[1]) * m1
    assert abs(total).max() + 2 ** (k - 1) < 2**31
    expected = ((total + 2 ** (k - 1)) >> k) + zero_points[2]
    np.testing.assert_array_equal(y, np.clip(expected, *output_range))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    shapes=st.sampled_from(
        [((2, 9, 70), (9, 70)), ((3, 1, 5), (4, 1)), ((), (7,)), ((2, 3), (2, 3)), ((0, 3), (3,))]
    ),
    zero_points=st.tuples(int8, int8, int8),
)
def test_add_broadcasts(seed, shapes, zero_points):
    rng = np.random.default_rng(seed)
    x = [integers(rng, shape) for shape in shapes]

    def add(x0, x1):
        return ops.quantized_add(
            x0,
            x1,
            scale0=0.1,
            scale1=0.07,
            zero_point0=zero_points[0],
            zero_point1=zero_points[1],
            output_scale=0.2,
            output_zero_point=zero_points[2],
        )

    y = assert_same_bits(add, *x)
    np.testing.assert_array_equal(y, add(*(part.copy() for part in np.broadcast_arrays(*x))))


@pytest.mark.parametrize("ratio", [2.0**-11, 2.0**8])
def test_add_refuses_scales_that_overflow(ratio):
    x = np.zeros(3, "int8")
    with pytest.raises(ValueError, match=r"\[2\^-10, 2\^8\).*Received: scale0="):
        ops.quantized_add(
            x,
            x,
            scale0=ratio,
            scale1=ratio / 2,
            zero_point0=0,
            zero_point1=0,
            output_scale=1.0,
            output_zero_point=0,
        )


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 70)),
    scales=st.tuples(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0)),
    zero_points=st.tuples(int8, int8),
    keepdims=st.booleans(),
    extremes=st.booleans(),
)
def test_mean(seed, shape, scales, zero_points, keepdims, extremes):
    x = integers(np.random.default_rng(seed), shape, extremes)
    y = assert_same_bits(
        lambda x: ops.quantized_mean(
            x,
            input_scale=scales[0],
            input_zero_point=zero_points[0],
            output_scale=scales[1],
            output_zero_point=zero_points[1],
            keepdims=keepdims,
        ),
        x,
    )
    sums = (x.astype("int64") - zero_points[0]).sum(axis=(1, 2), keepdims=keepdims)
    ratio = np.float32(scales[0]) / np.float32(scales[1])
    multiplier = np.float32(ratio / np.float32(shape[1] * shape[2]))
    q = np.rint(sums.astype("float32") * multiplier) + zero_points[1]
    np.testing.assert_array_equal(y, np.clip(q, -128, 127))
