"""Weights of several teachers."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax

import kerasopt as ko
from kerasopt import distillation
from kerasopt.distillation.teacher_weights import confidence_weights

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(3, 6, 5)).astype("float32") * 3
LABELS = np.arange(6) % 5
CLASSES = [distillation.KLDivergence()] * 3


def weights_of(cross_entropies):
    powers = np.exp(cross_entropies)
    return (1 - powers / powers.sum(0)) / (len(powers) - 1)


def cross_entropy(logits):
    return -log_softmax(logits.astype("float64"), -1)[np.arange(6), LABELS]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_equal_the_formula(count, seed):
    logits = np.random.default_rng(seed).normal(size=(count, 6, 5)).astype("float32") * 3
    found = np.array(confidence_weights(logits, LABELS, CLASSES[:1] * count))
    expected = weights_of(np.array([cross_entropy(each) for each in logits]))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(found.sum(0), 1, rtol=1e-5)


def test_who_is_right_counts_more():
    right, wrong = 5 * np.eye(5)[LABELS], 5 * np.eye(5)[(LABELS + 1) % 5]
    first, second = confidence_weights([right, wrong], LABELS, CLASSES[:2])
    assert np.all(np.array(first) > 0.9) and np.all(np.array(second) < 0.1)


@pytest.mark.parametrize("labels", [LABELS[:, None], np.eye(5)[LABELS]])
def test_forms_of_labels(labels):
    expected = np.array(confidence_weights(LOGITS, LABELS, CLASSES))
    np.testing.assert_allclose(np.array(confidence_weights(LOGITS, labels, CLASSES)), expected)


def test_teachers_may_give_logits_or_probabilities():
    outputs = [LOGITS[0], softmax(LOGITS[1], axis=-1), LOGITS[2].astype("float16")]
    losses = [distillation.DIST(teacher_from_logits=told) for told in (True, False, True)]
    found = np.array(confidence_weights(outputs, LABELS, losses))
    expected = np.array(confidence_weights(LOGITS, LABELS, CLASSES))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_positions_of_a_sample_share_a_weight():
    logits, labels = LOGITS.reshape(3, 2, 3, 5), LABELS.reshape(2, 3)
    means = np.array([cross_entropy(each).reshape(2, 3).mean(1) for each in LOGITS])
    found = np.array(confidence_weights(logits, labels, CLASSES))
    np.testing.assert_allclose(found, weights_of(means), rtol=1e-3)


@pytest.mark.parametrize("units", [1, 5])
def test_decisions(units):
    logits, labels = LOGITS[..., :units], RNG.integers(0, 2, size=(6, units))
    p = expit(logits.astype("float64"))
    expected = weights_of(-np.log(np.where(labels == 1, p, 1 - p)).mean(-1))
    losses = [distillation.BinaryKLDivergence()] * 3
    for given_labels in (labels, labels[:, 0]) if units == 1 else (labels,):
        found = np.array(confidence_weights(logits, given_labels, losses))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_finite_at_any_logits():
    extremes = [np.array([[1e4, -1e4]]), np.array([[-1e4, 1e4]]), np.array([[0.0, 0.0]])]
    found = np.array(confidence_weights(extremes, np.array([0]), CLASSES))
    np.testing.assert_allclose(found[:, 0], [0.5, 0.0, 0.5])


def test_without_labels_or_with_one_teacher_all_count_alike():
    assert confidence_weights(LOGITS, None, CLASSES) == [1 / 3] * 3
    assert confidence_weights(LOGITS[:1], LABELS, CLASSES[:1]) == [1.0]


def test_losses_that_do_not_know_what_outputs_are():
    with pytest.raises(ValueError, match="classes or decisions.*Received: loss="):
        confidence_weights(LOGITS, LABELS, [keras.losses.MeanSquaredError()] * 3)


def test_labels_that_do_not_fit():
    with pytest.raises(ValueError, match="labels of shape"):
        confidence_weights(LOGITS, LABELS[:3], CLASSES)


def test_in_fit_the_student_follows_the_teacher_that_is_right():
    x = RNG.normal(size=(64, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    inputs = keras.Input((4,))
    scores = keras.layers.Dense(2, use_bias=False)
    right = keras.Model(inputs, scores(inputs))
    scores.kernel.assign(np.outer([1, 0, 0, 0], [-9, 9]))
    wrong = keras.models.clone_model(right)
    wrong.layers[-1].kernel.assign(np.outer([1, 0, 0, 0], [9, -9]))
    losses = {}
    for how in ("mean", "confidence"):
        keras.utils.set_random_seed(0)
        student = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        student.compile(keras.optimizers.SGD(0.5), loss, metrics=["accuracy"])
        both = ko.callbacks.Distillation(
            [right, wrong], alpha=1.0, temperature=1.0, teacher_weights=how
        )
        student.fit(x, y, epochs=10, verbose=0, callbacks=[both])
        losses[how] = student.evaluate(x, y, verbose=0)[1]
    assert losses["confidence"] > 0.9 > losses["mean"]
