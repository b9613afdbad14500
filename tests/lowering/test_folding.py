import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt.inference import Affine
from kerasopt.lowering.folding import channel_affine, fold
from kerasopt.lowering.values import StaysFloat

CHANNELS = 5
scales = st.floats(1e-6, 1e3)


def affine(scale):
    return Affine(scale, 0)


def channels(elements):
    return st.lists(elements, min_size=CHANNELS, max_size=CHANNELS).map(np.array)


gains = channels(st.one_of(st.just(0.0), st.floats(-1e4, 1e4), st.floats(-1e-30, 1e-30)))
offsets = channels(st.one_of(st.just(0.0), st.floats(-1e4, 1e4)))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), gains, offsets, scales, scales)
def test_folding_keeps_the_function(seed, gain, offset, input_scale, output_scale):
    generator = np.random.default_rng(seed)
    kernel = generator.integers(-127, 128, (3, 3, 4, CHANNELS)) * generator.integers(0, 2, CHANNELS)
    kernel_scale = generator.uniform(1e-4, 1.0, CHANNELS)
    folded = fold(kernel, kernel_scale, gain, offset, affine(input_scale), affine(output_scale))
    assert folded.kernel.dtype == np.int8 and folded.bias.dtype == np.int32
    assert folded.kernel_scale.dtype == np.float32
    scale = folded.kernel_scale.astype("float64")
    assert (np.isfinite(scale) & (scale > 0)).all()
    multiplier = np.float32(input_scale) * folded.kernel_scale / np.float32(output_scale)
    assert (np.isfinite(multiplier) & (multiplier > 0)).all()
    x = generator.integers(-255, 256, kernel.shape[:-1] + (1,))
    total = (x * folded.kernel.astype("int64")).sum((0, 1, 2)) + folded.bias
    assert (abs(total) < 2**31).all()
    wanted = (x * kernel).sum((0, 1, 2)) * (input_scale * kernel_scale * gain) + offset
    # Half a unit of the accumulator for the bias, a unit per product where integers were
    # rounded anew, and the rounding of the scale to float32.
    unit = input_scale * scale
    requantized = (folded.kernel != np.where(gain < 0, -kernel, kernel)).any((0, 1, 2))
    slack = unit * (0.51 + requantized * abs(x).sum())
    np.testing.assert_array_less(abs(total * unit - wanted), slack + 1e-6 * abs(wanted) + 1e-12)


def test_integers_stay_and_take_the_sign_of_the_gain():
    kernel = np.array([[3.0, -127.0]])
    gain = np.array([-2.0, 0.5])
    folded = fold(
        kernel, np.array([0.1, 0.2]), gain, np.array([1.0, -1.0]), affine(0.5), affine(0.3)
    )
    np.testing.assert_array_equal(folded.kernel, [[-3, -127]])
    np.testing.assert_array_equal(folded.kernel_scale, np.float32([0.2, 0.1]))
    np.testing.assert_array_equal(folded.bias, [10, -20])


def test_a_channel_of_zeros_keeps_its_bias_exactly():
    kernel, ones = np.zeros((9, 2)), np.ones(2)
    folded = fold(kernel, ones, 30 * ones, np.array([0.017, 0.0]), affine(0.05), affine(0.02))
    real = folded.bias * 0.05 * folded.kernel_scale.astype("float64")
    np.testing.assert_allclose(real, [0.017, 0.0], rtol=1e-6)
    assert folded.kernel_scale[1] == 1.0


def test_a_gain_near_zero_does_not_overflow_the_bias():
    kernel, ones = np.full((9, 1), 127.0), np.ones(1)
    folded = fold(kernel, ones, 1e-12 * ones, 5 * ones, affine(0.05), affine(0.02))
    assert not folded.kernel.any()
    assert 0 < folded.bias[0] <= 2**30
    np.testing.assert_allclose(folded.bias[0] * 0.05 * folded.kernel_scale[0], 5.0, rtol=1e-6)


def test_sums_that_may_leave_int32_stay_float():
    ones = np.ones(1)
    scales = affine(0.1), affine(0.1)
    fold(np.ones((65_000, 1)), ones, ones, ones, *scales)
    with pytest.raises(StaysFloat, match="66000 products"):
        fold(np.ones((66_000, 1)), ones, ones, ones, *scales)


def test_values_that_are_not_finite_raise():
    ones = np.ones(1)
    with pytest.raises(ValueError, match="diverged"):
        fold(np.ones((3, 1)), ones, ones, np.array([np.nan]), affine(0.1), affine(0.1))


def test_batch_normalization_without_gamma_and_beta():
    layer = types.SimpleNamespace(bias=np.array([1.0, 2.0], "float32"))
    normalization = types.SimpleNamespace(
        gamma=None,
        beta=None,
        moving_mean=np.array([0.5, 0.5], "float32"),
        moving_variance=np.array([3.0, 0.0], "float32"),
        epsilon=1.0,
    )
    gain, offset = channel_affine(layer, normalization, 2)
    np.testing.assert_allclose(gain, [0.5, 1.0])
    np.testing.assert_allclose(offset, [0.25, 1.5])
