import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from quantization.gradients import gradient

from kerasopt.quantization import (
    ActivationQuantizer,
    BinaryActivation,
    Cast,
    DoReFaActivation,
    DynamicQuantizer,
    FloatFormat,
    Format,
    MovingAverage,
    activations,
)

VALUES = st.floats(-1e3, 1e3, width=32).filter(lambda value: value == 0 or abs(value) > 1e-6)
QUANTIZERS = {
    "minmax": ActivationQuantizer(Format(4), observer=MovingAverage(0.5)),
    "int16": ActivationQuantizer(Format(16, symmetric=True)),
    "rows": DynamicQuantizer(),
    "tensor": DynamicQuantizer(Format(8), per="tensor"),
    "binary": BinaryActivation(gradient="approximate"),
    "dorefa": DoReFaActivation(Format(2)),
    "cast": Cast(FloatFormat("bfloat16")),
}


def built(quantizer, **config):
    quantizer = quantizer.like(**config)
    quantizer.build(None)
    return quantizer


def fake_quantize(x, low, high, format):
    """Rounds to a range as the docstrings say, in NumPy."""
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    width = np.maximum(-low, high) if format.symmetric else high - low
    scale = np.where(width > 0, width * format.step, np.float32(1))
    zero = np.clip(np.rint(format.minimum - low / scale), format.minimum, format.maximum)
    zero = 0 if format.symmetric else zero
    codes = np.clip(np.rint(x / scale) + zero, format.minimum, format.maximum)
    return ((codes - zero) * scale).astype("float32"), scale, zero


@hypothesis.settings(deadline=None)
@hypothesis.given(
    hnp.arrays("float32", 12, elements=VALUES), VALUES, VALUES, st.integers(2, 16), st.booleans()
)
def test_activations_are_rounded_to_their_range(x, one, other, bits, symmetric):
    quantizer = built(ActivationQuantizer(Format(bits, symmetric)))
    low, high = np.float32(min(one, other)), np.float32(max(one, other))
    quantizer.observer.minimum.assign(low)
    quantizer.observer.maximum.assign(high)
    expected, scale, zero_point = fake_quantize(x, low, high, quantizer.format)
    assert quantizer.scale == scale and quantizer.zero_point == zero_point
    found = keras.ops.convert_to_numpy(quantizer(x))
    # Without a range there is nothing to round to.
    np.testing.assert_array_equal(found, expected if max(high, -low) > 0 else x)
    assert (found[x == 0] == 0).all()


def test_ranges_follow_the_batches_of_training_alone():
    quantizer = built(ActivationQuantizer(observer=MovingAverage(0.75)))
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


@hypothesis.settings(deadline=None)
@hypothesis.given(
    hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=3, max_side=4), elements=VALUES),
    st.booleans(),
    st.sampled_from(["row", "tensor"]),
)
def test_dynamic_ranges_are_those_of_the_values(x, symmetric, per):
    format = Format(8, symmetric)
    quantizer = built(DynamicQuantizer(format, per))
    axes = {"row": -1, "tensor": None}[per]
    low, high = x.min(axis=axes, keepdims=True), x.max(axis=axes, keepdims=True)
    expected, _, _ = fake_quantize(x, low, high, format)
    np.testing.assert_array_equal(quantizer(x), expected)
    np.testing.assert_array_equal(gradient(quantizer, x), np.ones_like(x))


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_without_being_enabled_it_returns_its_input_and_watches(quantizer):
    quantizer = built(quantizer, enabled=False)
    x = np.array([[-0.123, 4.567], [1.0, 2.0]], "float32")
    np.testing.assert_array_equal(quantizer(x, training=True), x)
    np.testing.assert_array_equal(gradient(quantizer, x), np.ones_like(x))
    if isinstance(quantizer, ActivationQuantizer):
        assert quantizer.has_range
    quantizer.enabled.assign(True)
    assert (keras.ops.convert_to_numpy(quantizer(x)) != x).any()


def test_gradients_pass_straight_through_except_where_clamped():
    quantizer = built(ActivationQuantizer())
    quantizer.observer.minimum.assign(-1.0)
    quantizer.observer.maximum.assign(1.0)
    x = np.array([-9.0, -0.5, 0.5, 9.0], "float32")
    np.testing.assert_array_equal(gradient(quantizer, x), [0, 1, 1, 0])
    quantizer.enabled.assign(False)
    np.testing.assert_array_equal(gradient(quantizer, x), [1, 1, 1, 1])


@pytest.mark.parametrize(
    "kind, slopes", [("clipped", [0, 1, 1, 1, 0]), ("approximate", [0, 1, 2, 0.5, 0])]
)
def test_signs(kind, slopes):
    x = np.array([-1.5, -0.5, 0.0, 0.75, 2.0], "float32")
    quantizer = built(BinaryActivation(gradient=kind))
    np.testing.assert_array_equal(quantizer(x), [-1, -1, 1, 1, 1])
    np.testing.assert_array_equal(gradient(quantizer, x), slopes)


def test_dorefa_spans_zero_to_one():
    x = np.array([-0.5, 0.1, 0.4, 0.9, 2.0], "float32")
    quantizer = built(DoReFaActivation(Format(2)))
    np.testing.assert_allclose(quantizer(x), [0, 0, 1 / 3, 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(gradient(quantizer, x), [0, 1, 1, 1, 0])


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("dtype, mantissa", [("float16", 10), ("bfloat16", 7)])
def test_values_are_cast(dtype, mantissa, jit):
    x = np.random.default_rng(0).uniform(1, 2, 64).astype("float32")
    quantizer = built(Cast(FloatFormat(dtype)))
    model = keras.Sequential([keras.Input((64,)), quantizer])
    model.compile(jit_compile=jit)
    expected = np.rint(x * 2**mantissa) / 2**mantissa
    np.testing.assert_array_equal(model.predict(x[None], verbose=0)[0], expected)
    np.testing.assert_array_equal(gradient(quantizer, x), np.ones(64))


@pytest.mark.parametrize("quantizer", QUANTIZERS.values(), ids=QUANTIZERS)
def test_a_config_round_trip(quantizer):
    config = keras.saving.serialize_keras_object(quantizer)
    copy = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(copy) == config
    assert copy.equals(quantizer)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ActivationQuantizer(FloatFormat()), "2 bits or more. Received: format=Float"),
        (lambda: ActivationQuantizer(observer="mean"), r"\]. Received: observer='mean'"),
        (lambda: DynamicQuantizer(per="batch"), "Received: per='batch'"),
        (lambda: BinaryActivation(Format(8)), r"\(1 bit\). Received: format="),
        (lambda: DoReFaActivation(Format(8, True)), "asymmetric integers. Received: format="),
        (lambda: Cast(Format(8)), "a `FloatFormat`. Received: format="),
        (lambda: activations.get("pactt"), r"\]. Received: activation_quantizer='pactt'"),
    ],
)
def test_arguments_out_of_range_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
