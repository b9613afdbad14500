"""Quantizers whose scales are learned: LSQ, LSQ+ and PACT."""

import keras
import numpy as np
import pytest
from quantization.gradients import gradient

from kerasopt.quantization import PACT, Format, LSQActivation, LSQWeight

X = np.array([-2.2, -0.9, -0.3, 0.0, 0.26, 0.7, 1.4, 9.0], "float32")
UPSTREAM = np.arange(1, 9, dtype="float32")


def built(quantizer, shape=None):
    quantizer.build(shape)
    return quantizer


def gradients(function, variables, upstream):
    """Returns the gradients of the sum of `upstream * function()` for variables."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        y = keras.ops.sum(upstream * function())
    return [g.numpy() for g in tape.gradient(y, [v.value for v in variables])]


def test_the_step_of_weights_begins_with_their_spread():
    weight = np.random.default_rng(0).normal(0.1, [1, 2, 3], (200, 3)).astype("float32")
    weight[:50, 1] = weight[:, 2] = 0
    weight[:3, 2] = 1, -2, 3
    quantizer = built(LSQWeight(-1, Format(3, True)), weight.shape)
    quantizer.settle(weight)
    bounds = [abs(column.mean()) + 3 * column.std() for column in (weight[:, 0], weight[50:, 1])]
    # In the last column not even the largest is as far out.
    expected = np.array([bounds[0] / 4, bounds[1] / 4, 3 / 3])
    np.testing.assert_allclose(quantizer.step.value(), expected, rtol=1e-5)
    quantizer.settle(np.zeros((200, 3), "float32"))
    np.testing.assert_array_equal(quantizer.step.value(), [1, 1, 1])


def test_channels_of_next_to_nothing_have_finite_gradients():
    weight = np.full((4, 2), [1e-25, 1e-35], "float32")
    quantizer = built(LSQWeight(-1, Format(8, True)), weight.shape)
    quantizer.settle(weight)
    (found,) = gradients(lambda: quantizer(weight), quantizer.learned, np.zeros((4, 2), "float32"))
    np.testing.assert_array_equal(found, [0, 0])


@pytest.mark.parametrize("unit", [0.1, 1.0])
def test_sgd_moves_steps_by_the_gradient_and_adam_by_a_share(unit):
    quantizer = built(LSQActivation(Format(3, True)))
    quantizer.step.start(0.5, unit)
    (gradient,) = gradients(lambda: quantizer(X[None]), quantizer.learned, UPSTREAM)
    published = gradient * unit
    keras.optimizers.SGD(1e-4).apply([gradient], quantizer.learned)
    moved = float(quantizer.step.value()) - 0.5
    assert moved == pytest.approx(-1e-4 * published, rel=1e-3)
    quantizer.step.start(0.5, unit)
    keras.optimizers.Adam(1e-2).apply([gradient], quantizer.learned)
    assert abs(float(quantizer.step.value()) - 0.5) == pytest.approx(1e-2 * unit, rel=1e-3)


def test_gradients_of_weights_and_steps_are_those_published():
    weight = np.stack([X, 2 * X], axis=1)
    quantizer = built(LSQWeight(-1, Format(3, True)), weight.shape)
    quantizer.step.start(
        np.array([0.5, 1.0], "float32"), np.ones(2)
    )  # the same integers in both columns
    scaled = X / 0.5
    codes = np.clip(np.rint(scaled), -3, 3)
    np.testing.assert_allclose(quantizer(weight), np.stack([codes * 0.5, codes], 1), rtol=1e-6)
    upstream = np.stack([UPSTREAM, UPSTREAM], axis=1)
    inside = np.abs(np.rint(scaled)) <= 3
    found = gradient(quantizer, weight, upstream)
    np.testing.assert_array_equal(found, upstream * inside[:, None])
    slopes = np.where(inside, codes - scaled, codes)
    expected = (UPSTREAM * slopes).sum() / np.sqrt(8 * 3)
    (found,) = gradients(lambda: quantizer(weight), quantizer.learned, upstream)
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-5)


def test_gradients_of_activations_are_those_published():
    quantizer = built(LSQActivation(Format(3)))
    quantizer.step.start(0.5, 1.0)
    quantizer.offset.start(-1.1, 1.0)  # zero point -2, so the range is -1 to 2.5
    zero, scaled = -2, X / 0.5
    codes = np.clip(np.rint(scaled) + zero, -4, 3)
    np.testing.assert_allclose(quantizer(X[None])[0], (codes - zero) * 0.5, rtol=1e-6)
    assert (quantizer.scale, quantizer.zero_point) == (0.5, -2)
    inside = np.rint(scaled) + zero == codes
    np.testing.assert_array_equal(gradient(quantizer, X[None], UPSTREAM)[0], UPSTREAM * inside)
    slopes = np.where(inside, codes - zero - scaled, codes + 4)
    step, offset = gradients(lambda: quantizer(X[None]), quantizer.learned, UPSTREAM)
    slowness = np.sqrt(8 * 7)
    np.testing.assert_allclose(step, (UPSTREAM * slopes).sum() / slowness, rtol=1e-5)
    np.testing.assert_allclose(offset, (UPSTREAM * ~inside).sum() / slowness, rtol=1e-5)


def test_a_symmetric_format_has_no_offset():
    quantizer = built(LSQActivation(Format(3, True)))
    quantizer.step.start(0.5, 1.0)
    codes = np.clip(np.rint(X / 0.5), -3, 3)
    np.testing.assert_allclose(quantizer(X[None])[0], codes * 0.5, rtol=1e-6)
    inside = np.abs(np.rint(X / 0.5)) <= 3
    (step,) = gradients(lambda: quantizer(X[None]), quantizer.learned, UPSTREAM)
    slopes = np.where(inside, codes - X / 0.5, codes)
    np.testing.assert_allclose(step, (UPSTREAM * slopes).sum() / np.sqrt(8 * 3), rtol=1e-5)


@pytest.mark.parametrize("quantizer", [LSQActivation(enabled=False), PACT(enabled=False)], ids=repr)
def test_activations_begin_with_the_range_that_was_seen(quantizer):
    quantizer = built(quantizer.like())
    x = np.abs(X)[None]
    np.testing.assert_array_equal(quantizer(x, training=True), x)
    quantizer.settle()
    quantizer.enabled.assign(True)
    assert quantizer.zero_point == -128
    np.testing.assert_allclose(quantizer.scale, 9 / 255, rtol=1e-6)
    np.testing.assert_allclose(quantizer(x), x, atol=9 / 255)


def test_pact_clips_from_zero_to_its_limit():
    quantizer = built(PACT(Format(2)))
    quantizer.limit.assign(1.5)
    np.testing.assert_allclose(quantizer(X), [0, 0, 0, 0, 0.5, 0.5, 1.5, 1.5])
    np.testing.assert_array_equal(gradient(quantizer, X), [0, 0, 0, 1, 1, 1, 1, 0])
    (found,) = gradients(lambda: quantizer(X), quantizer.learned, UPSTREAM)
    assert found == 8.0


def test_the_limit_of_pact_decays():
    quantizer = built(PACT(decay=0.5))
    quantizer.limit.assign(3.0)
    assert float(sum(quantizer.losses)) == pytest.approx(4.5)


@pytest.mark.parametrize(
    "quantizer", [LSQWeight(format=Format(4, True)), LSQActivation(), PACT(decay=0.1)], ids=repr
)
def test_a_config_round_trip(quantizer):
    config = keras.saving.serialize_keras_object(quantizer)
    copy = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(copy) == config and copy.equals(quantizer)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LSQWeight(format=Format(8)), "symmetric integers. Received: format="),
        (lambda: PACT(Format(8, True)), "asymmetric integers. Received: format="),
        (lambda: PACT(decay=-1), "Received: decay=-1"),
    ],
)
def test_arguments_out_of_range_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
