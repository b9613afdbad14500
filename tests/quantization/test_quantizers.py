import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import kerasopt as ko
from kerasopt.quantization import ActivationQuantizer, Format, MovingAverage, WeightQuantizer

VALUES = st.floats(-1e3, 1e3, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6)


def fake_quantize(x, scale, zero_point, bits, symmetric):
    """Rounds as the docstrings say, in NumPy."""
    lowest, highest = -(2 ** (bits - 1)) + symmetric, 2 ** (bits - 1) - 1
    codes = np.clip(np.rint(x / scale) + zero_point, lowest, highest)
    return ((codes - zero_point) * scale).astype("float32"), codes


def quantized_weight(weight, axis=-1, bits=8):
    quantizer = WeightQuantizer(axis, Format(bits, symmetric=True))
    quantizer.build(weight.shape)
    return keras.ops.convert_to_numpy(quantizer(weight))


@hypothesis.settings(deadline=None)
@hypothesis.given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), elements=VALUES),
    st.integers(2, 8),
    st.data(),
)
def test_weights_are_rounded_per_channel(weight, bits, data):
    rank = weight.ndim
    channels = data.draw(st.sets(st.integers(0, rank - 1), max_size=rank))
    others = tuple(sorted(set(range(rank)) - channels))
    negative = data.draw(st.booleans())
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest * np.float32(1 / (2 ** (bits - 1) - 1)), np.float32(1))
    expected, codes = fake_quantize(weight, scale, 0, bits, symmetric=True)
    axes = tuple(axis - rank * negative for axis in channels)
    found = quantized_weight(weight, axes or None, bits)
    np.testing.assert_array_equal(found, expected)
    assert (found[weight == 0] == 0).all()
    assert np.abs(codes).max() <= 2 ** (bits - 1) - 1


def test_a_channel_of_zeros_stays_zero_and_finite():
    weight = np.array([[0.0, 1.0], [0.0, -2.0]], "float32")
    found = quantized_weight(weight)
    np.testing.assert_array_equal(found[:, 0], 0.0)
    np.testing.assert_allclose(found[:, 1], weight[:, 1], atol=2 / 127)


@hypothesis.settings(deadline=None)
@hypothesis.given(hnp.arrays("float32", 12, elements=VALUES), VALUES, VALUES, st.integers(2, 8))
def test_activations_are_rounded_to_their_range(x, one, other, bits):
    quantizer = ActivationQuantizer(Format(bits, symmetric=False))
    quantizer.build((None, 12))
    quantizer.observer.minimum.assign(min(one, other))
    quantizer.observer.maximum.assign(max(one, other))
    low, high = np.float32(min(one, other, 0)), np.float32(max(one, other, 0))
    scale = (high - low) * np.float32(1 / (2**bits - 1)) if high > low else np.float32(1)
    zero_point = np.clip(np.rint(-(2 ** (bits - 1)) - low / scale), -(2 ** (bits - 1)), None)
    assert quantizer.scale == scale and quantizer.zero_point == zero_point
    expected, _ = fake_quantize(x, scale, zero_point, bits, symmetric=False)
    found = keras.ops.convert_to_numpy(quantizer(x))
    # Without a range there is nothing to round to.
    np.testing.assert_array_equal(found, expected if high > low else x)
    assert (found[x == 0] == 0).all()


def test_ranges_follow_the_batches_of_training_alone():
    quantizer = ActivationQuantizer(observer=MovingAverage(0.75))
    quantizer.build((None, 2))
    observer = quantizer.observer

    def ranges():
        return float(observer.minimum), float(observer.maximum)

    quantizer(np.array([[-5.0, 5.0]]))
    assert ranges() == (0.0, 0.0) and not quantizer.has_range
    quantizer(np.array([[-1.0, 2.0]]), training=True)
    assert ranges() == (-1.0, 2.0) and quantizer.has_range
    quantizer(np.array([[-2.0, 6.0]]), training=True)
    assert ranges() == (0.75 * -1 + 0.25 * -2, 0.75 * 2 + 0.25 * 6)
    quantizer.frozen = True
    before = ranges()
    quantizer(np.array([[-100.0, 100.0]]), training=True)
    assert ranges() == before


@pytest.mark.parametrize("quantizer", [WeightQuantizer, ActivationQuantizer])
def test_without_being_enabled_it_returns_its_input_and_watches(quantizer):
    quantizer = quantizer(enabled=False)
    x = np.array([[-0.123, 4.567], [1.0, 2.0]], "float32")
    quantizer.build(x.shape)
    np.testing.assert_array_equal(quantizer(x, training=True), x)
    if isinstance(quantizer, ActivationQuantizer):
        assert quantizer.has_range
    quantizer.enabled.assign(True)
    assert (keras.ops.convert_to_numpy(quantizer(x)) != x).any()


def gradient(function, x):
    """Returns the gradient of the sum of `function(x)`."""
    import tensorflow as tf

    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = function(x)
    return tape.gradient(y, x).numpy()


def test_gradients_pass_straight_through_except_where_clamped():
    quantizer = ActivationQuantizer()
    quantizer.build((None, 4))
    quantizer.observer.minimum.assign(-1.0)
    quantizer.observer.maximum.assign(1.0)
    x = np.array([-9.0, -0.5, 0.5, 9.0], "float32")
    np.testing.assert_array_equal(gradient(quantizer, x), [0, 1, 1, 0])
    quantizer.enabled.assign(False)
    np.testing.assert_array_equal(gradient(quantizer, x), [1, 1, 1, 1])


def test_gradients_of_weights_pass_everywhere():
    quantizer = WeightQuantizer()
    weight = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    quantizer.build(weight.shape)
    np.testing.assert_array_equal(gradient(quantizer, weight), np.ones((5, 3)))


@pytest.mark.parametrize(
    "quantizer",
    [
        WeightQuantizer((-2, -1), Format(4, symmetric=True), enabled=False),
        ActivationQuantizer(Format(4), observer=MovingAverage(0.5)),
    ],
    ids=["weight", "activation"],
)
def test_a_config_round_trip(quantizer):
    config = keras.saving.serialize_keras_object(quantizer)
    copy = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(copy) == config
    assert copy.format == quantizer.format and copy.bits == 4


@pytest.mark.parametrize("bits", [1, 9, 4.0, "8"])
def test_bits_out_of_range_raise(bits):
    with pytest.raises(ValueError, match="`bits` must be from 2 to 8. Received: bits="):
        Format(bits)


def test_a_format_of_the_other_kind_raises():
    with pytest.raises(ValueError, match="symmetric=True. Received: format=Format"):
        WeightQuantizer(format=Format(8, symmetric=False))
    with pytest.raises(ValueError, match="symmetric=False. Received: format=Format"):
        ActivationQuantizer(format=Format(8, symmetric=True))


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_a_momentum_out_of_range_raises(momentum):
    with pytest.raises(ValueError, match=r"in \[0, 1\). Received: momentum="):
        MovingAverage(momentum)


def test_zeros_of_a_mask_stay_zero_after_rounding():
    layer = keras.layers.Dense(8)
    layer.build((None, 16))
    mask = ko.sparsity.Mask()
    ko.parametrize(layer, "kernel", WeightQuantizer())
    ko.parametrize(layer, "kernel", mask)
    hidden = np.random.default_rng(0).random((16, 8)) < 0.7
    mask.mask.assign(~hidden)
    assert (layer.kernel.numpy()[hidden] == 0).all()
