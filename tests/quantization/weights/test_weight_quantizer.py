import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from quantization.gradients import gradient

import kerasopt as ko
from kerasopt.quantization import (
    BinaryWeight,
    DoReFaWeight,
    Format,
    TernaryWeight,
    WeightQuantizer,
    weights,
)

VALUES = st.floats(-1e3, 1e3, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6)
QUANTIZERS = {
    "minmax": WeightQuantizer(),
    "asymmetric": WeightQuantizer(format=Format(4)),
    "dorefa": DoReFaWeight(format=Format(4, symmetric=True)),
    "ternary": TernaryWeight(),
    "binary": BinaryWeight(),
    "approximate": BinaryWeight(gradient="approximate", scaled=False),
}


def fake_quantize(x, scale, zero_point, format):
    """Rounds as the docstrings say, in NumPy."""
    codes = np.clip(np.rint(x / scale) + zero_point, format.minimum, format.maximum)
    return ((codes - zero_point) * scale).astype("float32")


def built(quantizer, weight, **config):
    quantizer = quantizer.like(**config)
    quantizer.build(weight.shape)
    return quantizer


def rounded(quantizer, weight, **config):
    return keras.ops.convert_to_numpy(built(quantizer, weight, **config)(weight))


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@hypothesis.settings(deadline=None)
@hypothesis.given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=VALUES),
    st.integers(2, 16),
    st.booleans(),
    st.data(),
)
def test_weights_are_rounded_per_channel(weight, bits, symmetric, data):
    rank = weight.ndim
    channels = data.draw(st.sets(st.integers(0, rank - 1), max_size=rank))
    others = tuple(sorted(set(range(rank)) - channels))
    low = np.minimum(weight.min(axis=others, keepdims=True), 0)
    high = np.maximum(weight.max(axis=others, keepdims=True), 0)
    format = Format(bits, symmetric)
    width = np.maximum(-low, high) if symmetric else high - low
    scale = np.where(width > 0, width * format.step, np.float32(1))
    zero = np.clip(np.rint(format.minimum - low / scale), format.minimum, format.maximum)
    expected = fake_quantize(weight, scale, 0 if symmetric else zero, format)
    axes = tuple(axis - rank * data.draw(st.booleans()) for axis in channels)
    found = rounded(WeightQuantizer(axes or None, format), weight)
    np.testing.assert_array_equal(found, expected)
    assert (found[weight == 0] == 0).all()


def test_a_group_has_a_scale_of_its_own():
    weight = normal(8, 3)
    found = rounded(WeightQuantizer(-1, Format(4, symmetric=True), group=(0, 4)), weight)
    for begin in (0, 4):
        alone = rounded(WeightQuantizer(-1, Format(4, symmetric=True)), weight[begin : begin + 4])
        np.testing.assert_array_equal(found[begin : begin + 4], alone)


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_a_channel_of_zeros_stays_zero_and_finite(quantizer):
    weight = np.array([[0.0, 1.0], [0.0, -2.0]], "float32")
    found = rounded(quantizer, weight)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    assert np.isfinite(found).all() and found[:, 1].any()


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_zeros_of_a_mask_stay_zero_after_rounding(quantizer):
    layer = keras.layers.Dense(8)
    layer.build((None, 16))
    mask = ko.sparsity.Mask()
    ko.parametrize(layer, "kernel", quantizer.like())
    ko.parametrize(layer, "kernel", mask)
    hidden = np.random.default_rng(0).random((16, 8)) < 0.7
    mask.mask.assign(~hidden)
    assert (layer.kernel.numpy()[hidden] == 0).all() and layer.kernel.numpy()[~hidden].any()


@pytest.mark.parametrize("group", [None, (0, 4)])
@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_codes_are_the_integers_that_it_rounds_to(quantizer, group):
    weight = normal(8, 3)
    quantizer = built(quantizer, weight, group=group)
    codes, scale, zero_point = map(keras.ops.convert_to_numpy, quantizer.codes(weight))
    np.testing.assert_allclose((codes - zero_point) * scale, quantizer(weight), rtol=1e-6)
    np.testing.assert_array_equal(codes, np.rint(codes))
    assert codes.min() >= quantizer.format.minimum and codes.max() <= quantizer.format.maximum


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_without_being_enabled_it_returns_its_input(quantizer):
    weight = normal(8, 3)
    quantizer = built(quantizer, weight, enabled=False)
    np.testing.assert_array_equal(quantizer(weight), weight)
    np.testing.assert_array_equal(gradient(quantizer, weight), np.ones_like(weight))
    quantizer.enabled.assign(True)
    assert (keras.ops.convert_to_numpy(quantizer(weight)) != weight).any()


@pytest.mark.parametrize("quantizer", [WeightQuantizer(), TernaryWeight()], ids=repr)
def test_gradients_pass_straight_through(quantizer):
    weight = normal(5, 3)
    np.testing.assert_array_equal(gradient(built(quantizer, weight), weight), np.ones((5, 3)))


def test_binary_weights_are_signs_times_the_mean_of_what_is_not_zero():
    weight = np.array([[0.5, 3.0], [-1.5, -1.0], [0.0, 2.0]], "float32")
    np.testing.assert_array_equal(rounded(BinaryWeight(), weight), [[1, 2], [-1, -2], [0, 2]])
    found = rounded(BinaryWeight(scaled=False), weight)
    np.testing.assert_array_equal(found, [[1, 1], [-1, -1], [0, 1]])


@pytest.mark.parametrize("kind", ["clipped", "approximate"])
def test_gradients_of_signs_are_those_of_what_resembles_them(kind):
    weight = np.array([[-1.5], [-0.5], [0.25], [0.75], [2.0]], "float32")
    slopes = {
        "clipped": np.float32([0, 1, 1, 1, 0]),
        "approximate": np.float32([0, 1, 1.5, 0.5, 0]),
    }[kind]
    found = gradient(built(BinaryWeight(gradient=kind, scaled=False), weight), weight)
    np.testing.assert_array_equal(found[:, 0], slopes)
    # With the scale a = mean|w|: d(sum u sign(w) a)/dw = u a sign' + sign(w) / n * sum(u sign(w)).
    upstream = np.float32([1, 2, 3, 4, 5])[:, None]
    found = gradient(built(BinaryWeight(gradient=kind), weight), weight, upstream)
    signs = np.sign(weight)
    scale = np.abs(weight).mean()
    expected = upstream * scale * slopes[:, None] + signs / 5 * (upstream * signs).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_ternary_weights_are_zero_below_the_threshold():
    weight = np.array([0.1, -0.2, 0.5, -1.0, 0.7], "float32")[:, None]  # mean|w| = 0.5
    found = rounded(TernaryWeight(), weight)[:, 0]
    scale = np.float32((0.5 + 1.0 + 0.7) / 3)
    np.testing.assert_allclose(found, [0, 0, scale, -scale, scale], rtol=1e-6)
    found = rounded(TernaryWeight(threshold=1.2), weight)[:, 0]
    np.testing.assert_allclose(found, [0, 0, 0, -0.85, 0.85], rtol=1e-6)


def test_dorefa_squeezes_weights_by_a_tangent():
    weight = normal(6, 2)
    squeezed = np.tanh(weight)
    largest = np.abs(squeezed).max(axis=0)
    found = rounded(DoReFaWeight(format=Format(3, symmetric=True)), weight)
    np.testing.assert_allclose(found, np.rint(squeezed / largest * 3) / 3, atol=1e-6)
    found = gradient(built(DoReFaWeight(), weight), weight)
    np.testing.assert_allclose(found, (1 - squeezed**2) / largest, rtol=1e-4)


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_a_config_round_trip(quantizer):
    quantizer = quantizer.like(axis=(-2, -1), group=(0, 4), enabled=False)
    config = keras.saving.serialize_keras_object(quantizer)
    copy = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(copy) == config
    assert copy.equals(quantizer) and not copy.equals(quantizer.like(axis=0))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: WeightQuantizer(format=Format(1, True)), "of 2 bits or more. Received: format="),
        (lambda: DoReFaWeight(format=Format(8)), "symmetric integers. Received: format=Format"),
        (lambda: TernaryWeight(format=Format(4, True)), "of 2 bits. Received: format=Format"),
        (lambda: BinaryWeight(format=Format(2, True)), r"\(1 bit\). Received: format=Format"),
        (lambda: BinaryWeight(gradient="none"), r"'clipped'\]. Received: gradient='none'"),
        (lambda: TernaryWeight(threshold=0), "above 0. Received: threshold=0"),
        (lambda: weights.get("lsqq"), r"'minmax'.*\]. Received: weight_quantizer='lsqq'"),
    ],
)
def test_arguments_out_of_range_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
