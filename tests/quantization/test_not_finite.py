"""Values that are not finite, and values next to nothing, in observers and quantizers."""

import keras
import numpy as np
import pytest

from kerasopt.quantization import (
    PACT,
    ActivationQuantizer,
    BinaryActivation,
    BinaryWeight,
    DoReFaActivation,
    DoReFaWeight,
    DynamicQuantizer,
    Format,
    LSQActivation,
    LSQWeight,
    TernaryWeight,
    WeightQuantizer,
    observers,
)

BAD = [np.nan, np.inf, -np.inf]
GOOD = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
OF_WEIGHTS = [
    WeightQuantizer(),
    WeightQuantizer(None, Format(4)),
    LSQWeight(),
    DoReFaWeight(),
    TernaryWeight(),
    BinaryWeight(),
]


def spoilt(value):
    batch = 100 * GOOD
    batch[1, 2] = value
    return batch


def built(quantizer, shape=None):
    quantizer = quantizer.like()
    quantizer.build(shape)
    return quantizer


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("alias", observers.OBSERVERS.aliases)
def test_batches_that_are_not_finite_stay_out(alias, bad):
    observer, expected = observers.get(alias), observers.get(alias)
    observer.build()
    expected.build()
    for batch in (spoilt(bad), GOOD, spoilt(bad), 2 * GOOD):
        observer.update(batch)
        if np.isfinite(batch).all():
            expected.update(batch)
    for found, wanted in zip(observer.variables[:-2], expected.variables[:-2], strict=True):
        np.testing.assert_array_equal(found, wanted)
    observer.settle(Format(8))
    assert observer.minimum.numpy() < 0 < observer.maximum.numpy()
    assert observer.batches.numbers == (2, 2)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("quantizer", [ActivationQuantizer(), PACT(), LSQActivation()], ids=repr)
def test_a_batch_of_training_that_is_not_finite_passes_unchanged(quantizer, bad):
    quantizer = built(quantizer)
    quantizer(np.abs(GOOD), training=True)
    quantizer.settle()
    batch = spoilt(bad)
    np.testing.assert_array_equal(quantizer(batch, training=True), batch)
    assert (keras.ops.convert_to_numpy(quantizer(GOOD, training=True)) != GOOD).any()


@pytest.mark.parametrize(
    "quantizer",
    [
        ActivationQuantizer(),
        LSQActivation(),
        PACT(),
        DoReFaActivation(),
        BinaryActivation(),
        DynamicQuantizer(),
    ],
    ids=repr,
)
def test_nan_of_an_activation_stays(quantizer):
    quantizer = built(quantizer)
    if isinstance(quantizer, ActivationQuantizer):
        quantizer(np.abs(GOOD), training=True)
        quantizer.settle()
    found = np.isnan(keras.ops.convert_to_numpy(quantizer(spoilt(np.nan))))
    assert found[1, 2] and not found[[0, 2, 3]].any()


@pytest.mark.parametrize("quantizer", OF_WEIGHTS, ids=repr)
def test_nan_of_a_weight_stays(quantizer):
    quantizer = built(quantizer, GOOD.shape)
    quantizer.settle(GOOD)
    assert np.isnan(keras.ops.convert_to_numpy(quantizer(spoilt(np.nan)))[1, 2])


@pytest.mark.parametrize("size", [1e-31, 1e-36, 1e-39, 1e-44])
@pytest.mark.parametrize("quantizer", OF_WEIGHTS, ids=repr)
def test_a_channel_of_next_to_nothing_is_one_of_zeros(quantizer, size):
    weight = GOOD.copy()
    weight[:, 1] *= np.float32(size)
    quantizer = built(quantizer, weight.shape)
    quantizer.settle(weight)
    codes, scale, _ = map(keras.ops.convert_to_numpy, quantizer.codes(weight))
    assert np.isfinite(codes).all() and np.isfinite(scale).all() and (scale > 0).all()
    found = keras.ops.convert_to_numpy(quantizer(weight))
    assert np.isfinite(found).all()
    if not isinstance(quantizer, DoReFaWeight):
        assert np.abs(found[:, 1]).max() <= 1e-30


@pytest.mark.parametrize("size", [1e20, 1e-20, 1e25, 1e-25])
def test_learned_steps_have_finite_gradients_at_any_size(size):
    import tensorflow as tf

    x = tf.constant(GOOD * np.float32(size))
    quantizer = built(LSQActivation())
    quantizer(x, training=True)
    quantizer.settle()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(quantizer(x))
    gradients = tape.gradient(loss, [each.value for each in quantizer.learned])
    squares = [keras.ops.convert_to_numpy(each) ** 2 for each in gradients]
    assert np.isfinite(squares).all()
    np.testing.assert_allclose(quantizer(x), x, atol=size / 20)


def test_a_constant_has_a_range_and_zeros_have_none():
    for value in (3.0, -0.25):
        quantizer = built(ActivationQuantizer())
        found = quantizer(np.full((4, 2), value, "float32"), training=True)
        np.testing.assert_allclose(found, np.full((4, 2), value), rtol=1e-6)
        assert quantizer.has_range
    quantizer = built(ActivationQuantizer())
    zeros = np.zeros((4, 2), "float32")
    np.testing.assert_array_equal(quantizer(zeros, training=True), zeros)
    assert not quantizer.has_range


@pytest.mark.parametrize("x", [np.float32(0.7), np.array([0.7, -30.0, 0.0], "float32")])
def test_dynamic_ranges_of_numbers_are_their_own(x):
    np.testing.assert_allclose(built(DynamicQuantizer())(x), x, rtol=1e-6)
