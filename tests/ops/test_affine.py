"""quantize, dequantize, fake_quantize and min_max on every path."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tensorflow as tf
from ops.paths import all_paths, assert_same_bits

from kerasopt import ops
from kerasopt.ops import native

few = hypothesis.settings(max_examples=12, deadline=None, derandomize=True)
special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e30, -1e30, 0.5, 1.5, -2.5], "float32")


def floats(seed, shape, with_special):
    values = np.random.default_rng(seed).standard_normal(shape).astype("float32") * 20
    if with_special:
        values.flat[: special.size] = special
    return values


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(10, 150),
    per_channel=st.booleans(),
    zero_point=st.integers(-128, 127),
    dtype=st.sampled_from(["int8", "int16"]),
    with_special=st.booleans(),
)
def test_quantize(seed, channels, per_channel, zero_point, dtype, with_special):
    x = floats(seed, (37, channels), with_special)
    scale = np.random.default_rng(seed).uniform(0.01, 1, channels if per_channel else ())
    scale = scale.astype("float32")
    q = assert_same_bits(lambda x, scale: ops.quantize(x, scale, zero_point, dtype), x, scale)
    limits = np.iinfo(dtype)
    expected = np.clip(np.rint(x / scale) + zero_point, limits.min, limits.max)
    np.testing.assert_array_equal(q, np.where(np.isnan(x), zero_point, expected))
    back = np.asarray(ops.dequantize(q, scale, zero_point))
    np.testing.assert_array_equal(back, (q.astype("float32") - zero_point) * scale)


def test_quantize_divides_by_constant_scales_too():
    x = floats(0, (1000, 97), False)
    scale = np.random.default_rng(1).uniform(0.01, 1, 97).astype("float32")
    for jit_compile in (False, True):
        compiled = tf.function(lambda x: ops.quantize(x, scale, 3), jit_compile=jit_compile)
        expected = np.clip(np.rint(x / scale) + 3, -128, 127)
        np.testing.assert_array_equal(compiled(tf.constant(x)), expected)


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.integers(10, 150),
    per_channel=st.booleans(),
    limits=st.sampled_from([(-128, 127), (-127, 127), (-8, 7), (0, 255), (-32768, 32767)]),
    position=st.floats(0, 1),
    with_special=st.booleans(),
)
def test_fake_quantize(seed, channels, per_channel, limits, position, with_special):
    qmin, qmax = limits
    rng = np.random.default_rng(seed)
    x = floats(seed, (3, 13, channels), with_special)
    upstream = rng.standard_normal(x.shape).astype("float32")
    scale = rng.uniform(0.01, 1, channels if per_channel else ()).astype("float32")
    zero_point = np.float32(round(qmin + position * (qmax - qmin)))

    def values_and_gradient(x, scale, zero_point, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = ops.fake_quantize(x, scale, zero_point, qmin=qmin, qmax=qmax)
        return y, tape.gradient(y, x, output_gradients=upstream)

    y, gradient = assert_same_bits(values_and_gradient, x, scale, zero_point, upstream)
    q = np.rint(x / scale) + zero_point
    expected = (np.clip(q, qmin, qmax) - zero_point) * scale
    np.testing.assert_array_equal(y, expected)
    inside = (q >= qmin) & (q <= qmax)
    np.testing.assert_array_equal(gradient, np.where(inside, upstream, 0))


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.sampled_from([1, 13, 400]),
    channels=st.integers(1, 150),
    per_channel=st.booleans(),
    limits=st.sampled_from([(-128, 127), (-7, 7), (0, 255)]),
)
def test_gradients_of_a_learned_scale(seed, rows, channels, per_channel, limits):
    qmin, qmax = limits
    rng = np.random.default_rng(seed)
    x = floats(seed, (3, rows, channels), False)
    upstream = rng.standard_normal(x.shape).astype("float32")
    scale = rng.uniform(0.1, 1, channels if per_channel else ()).astype("float32")
    zero_point = np.float32(round(rng.uniform(qmin, qmax)))

    def gradients(*inputs):
        return ops.learned_scale_gradients(*inputs, qmin=qmin, qmax=qmax)

    inputs = upstream, x, scale, zero_point
    dx = assert_same_bits(lambda *inputs: gradients(*inputs)[0], *inputs)
    q = np.rint(x / scale)
    codes = np.clip(q, qmin - zero_point, qmax - zero_point)
    inside = q == codes
    np.testing.assert_array_equal(dx, np.where(inside, upstream, 0))
    axes = (0, 1) if per_channel else None
    error = np.where(inside, codes - x / scale, codes).astype("float64")
    expected = (upstream * error).sum(axes), np.where(inside, 0, upstream).sum(axes)
    bounds = np.abs(upstream * error).sum(axes), np.abs(upstream).sum(axes)
    results = all_paths(gradients, *inputs)
    for sums in results.values():
        for values, wanted, bound in zip(sums[1:], expected, bounds, strict=True):
            assert np.shape(values) == np.shape(scale)
            assert np.all(np.abs(values - wanted) <= 1e-5 * bound + 1e-6)
    native_sums = [results[name] for name in native.INSTRUCTION_SETS if name in results]
    for sums in native_sums[1:]:
        for values, wanted in zip(sums, native_sums[0], strict=True):
            np.testing.assert_array_equal(values, wanted)


def values_and_gradients(x, scale, zero_point, upstream):
    """Results of all ops of fake quantization but for sums, which add in other orders."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.fake_quantize(x, scale, zero_point)
    dx = tape.gradient(y, x, output_gradients=upstream)
    learned, by_scale, clamped = ops.learned_scale_gradients(upstream, x, scale, zero_point)
    return y, dx, learned, by_scale, clamped


NO_GRIDS = [(np.nan, 3.0), (np.inf, 3.0), (-np.inf, 3.0), (0.5, np.nan), (0.5, np.inf)]


@pytest.mark.parametrize("scale, zero_point", [*NO_GRIDS, (0.5, 128.0), (0.5, 0.5)])
def test_what_is_no_grid_gives_nan_and_no_error(scale, zero_point):
    x, upstream = floats(0, (1, 40), True), np.ones((1, 40), "float32")
    for shape in ((), (40,)):
        scales, points = np.full(shape, scale, "float32"), np.full(shape, zero_point, "float32")
        inputs = x, scales, points, upstream
        y, dx, learned, by_scale, clamped = assert_same_bits(values_and_gradients, *inputs)
        assert np.isnan(y).all() and np.isnan(by_scale).all()
        assert not dx.any() and not learned.any() and clamped.sum() == 40


@pytest.mark.parametrize("scale", [0.0, -0.0, 1e-45, 1e-38, -1e-40])
def test_a_channel_of_a_scale_next_to_zero_is_not_rounded(scale):
    x, upstream = floats(0, (1, 40), True), np.ones((1, 40), "float32")
    scales = np.where(np.arange(40) % 2, 0.25, scale).astype("float32")
    inputs = x, scales, np.float32(3), upstream
    y, dx, _, by_scale, clamped = assert_same_bits(values_and_gradients, *inputs)
    np.testing.assert_array_equal(y[:, ::2], x[:, ::2])
    np.testing.assert_array_equal(dx[:, ::2], 1)
    assert not by_scale[::2].any() and not clamped[::2].any()
    inputs = x, np.float32(scale), np.float32(3), upstream
    np.testing.assert_array_equal(assert_same_bits(values_and_gradients, *inputs)[0], x)


def test_values_that_are_not_finite_on_a_grid():
    x = np.array([[np.nan, np.inf, -np.inf, 1e38]], "float32")
    inputs = x, np.float32(-0.5), np.float32(3), np.ones_like(x)
    y, dx, *_ = assert_same_bits(values_and_gradients, *inputs)
    np.testing.assert_array_equal(y, [[np.nan, (-128 - 3) * -0.5, (127 - 3) * -0.5, 65.5]])
    assert not dx.any()


def test_gradients_of_a_scale_of_zero():
    x, upstream = floats(0, (5, 7), True), np.ones((5, 7), "float32")
    dx, by_scale, clamped = assert_same_bits(
        lambda *inputs: ops.learned_scale_gradients(*inputs), upstream, x, np.float32(0)
    )
    np.testing.assert_array_equal(dx, upstream)
    assert by_scale == clamped == 0


def test_fake_quantize_is_off_at_scale_zero():
    x, upstream = floats(0, (5, 7), True), np.ones((5, 7), "float32")

    def values_and_gradient(x, upstream, scale):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = ops.fake_quantize(x, scale)
        return y, tape.gradient(y, x, output_gradients=upstream)

    y, gradient = assert_same_bits(values_and_gradient, x, upstream, np.float32(0))
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(gradient, upstream)


def test_fake_quantize_gives_scale_no_gradient():
    x, scale = tf.Variable([0.3, 99.0]), tf.Variable(0.25)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(ops.fake_quantize(x, scale))
    dx, dscale = tape.gradient(y, [x, scale])
    np.testing.assert_array_equal(dx, [1.0, 0.0])
    assert dscale is None


@few
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    size=st.one_of(st.integers(1, 200), st.sampled_from([4096, 4097, 20_000])),
    nan_at=st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_min_max(seed, size, nan_at):
    x = floats(seed, (size,), False)
    if nan_at is not None:
        x[nan_at % size] = np.nan
    low, high = assert_same_bits(ops.min_max, x)
    np.testing.assert_array_equal([low, high], [x.min(), x.max()])
