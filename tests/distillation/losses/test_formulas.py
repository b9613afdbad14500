"""Each loss computes the formula that it cites."""

import keras
import numpy as np
import pytest
from distillation.losses import references
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax

from kerasopt import distillation

TEMPERATURES = st.floats(0.5, 20.0)
LOGITS = arrays("float32", (2, 6, 5), elements=st.floats(-20, 20, width=16))
WEIGHTS = st.floats(0, 10)
RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 6, 5)).astype("float32") * 4


def agree(loss, expected, temperature=1.0):
    # What is compared are logarithms of about 20 / T, in float32, times T ** 2.
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-4 * max(temperature, 1))


def in_float64(pair, standardize):
    pair = pair.astype("float64")
    return map(references.z_scores, pair) if standardize else pair


@settings(max_examples=30, deadline=None)
@given(LOGITS, TEMPERATURES, st.booleans())
def test_kl_divergence(pair, temperature, standardize):
    loss = distillation.KLDivergence(temperature, standardize=standardize, reduction=None)
    expected = references.kl_divergence(*in_float64(pair, standardize), temperature)
    agree(loss(*pair), expected, temperature)


@settings(max_examples=30, deadline=None)
@given(
    LOGITS,
    TEMPERATURES,
    st.booleans(),
    WEIGHTS,
    WEIGHTS,
    st.none() | arrays("int32", (6,), elements=st.integers(0, 4)),
)
def test_decoupled(pair, temperature, standardize, alpha, beta, labels):
    options = {"standardize": standardize, "reduction": None}
    loss = distillation.Decoupled(alpha, beta, temperature, **options)
    # Keras' `argmax` takes -0.0 for less than 0.0.
    assumed = np.array(keras.ops.argmax(pair[0], -1)) if labels is None else labels
    expected = references.decoupled(
        *in_float64(pair, standardize), temperature, assumed, alpha, beta
    )
    y_true = pair[0] if labels is None else (pair[0], labels)
    agree(loss(y_true, pair[1]), expected, 10 * temperature)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 5.0), st.booleans(), WEIGHTS, WEIGHTS)
def test_dist(seed, temperature, standardize, beta, gamma):
    pair = np.random.default_rng(seed).normal(size=(2, 6, 5)).astype("float32") * 2
    loss = distillation.DIST(beta, gamma, temperature, standardize=standardize)
    expected = references.dist(*in_float64(pair, standardize), temperature, beta, gamma)
    np.testing.assert_allclose(loss(*pair), expected, rtol=2e-3, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(LOGITS, st.booleans())
def test_logits_mse(pair, standardize):
    loss = distillation.LogitsMSE(standardize=standardize, reduction=None)
    agree(loss(*pair), references.logits_mse(*in_float64(pair, standardize)))


@settings(max_examples=30, deadline=None)
@given(LOGITS, TEMPERATURES)
def test_binary(pair, temperature):
    loss = distillation.BinaryKLDivergence(temperature, reduction=None)
    agree(loss(*pair), references.binary(*pair.astype("float64"), temperature), temperature)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", references.CLASS_LOSSES)
def test_probabilities_give_what_their_logits_give(name, standardize):
    make, pair = getattr(distillation, name), (TEACHER, STUDENT)
    expected = float(make(standardize=standardize)(*pair))
    probabilities = [softmax(each, axis=-1) for each in pair]
    both = make(standardize=standardize, from_logits=False)
    of_teacher = make(standardize=standardize, teacher_from_logits=False)
    assert float(both(*probabilities)) == pytest.approx(expected, rel=1e-4)
    assert float(of_teacher(probabilities[0], STUDENT)) == pytest.approx(expected, rel=1e-4)


def test_probabilities_of_decisions_give_what_their_logits_give():
    loss = distillation.BinaryKLDivergence(from_logits=False)
    expected = float(distillation.BinaryKLDivergence()(TEACHER, STUDENT))
    assert float(loss(expit(TEACHER), expit(STUDENT))) == pytest.approx(expected, rel=1e-3)


def test_one_decision_is_two_classes_of_which_one_has_the_logit_zero():
    one, other = TEACHER[:, :1], STUDENT[:, :1]
    of_classes = distillation.KLDivergence(3.0)(
        *(np.pad(v, ((0, 0), (0, 1))) for v in (one, other))
    )
    loss = distillation.BinaryKLDivergence(3.0)(one, other)
    assert float(loss) == pytest.approx(float(of_classes), rel=1e-4)


def test_the_divergence_is_the_decoupled_one_with_the_weights_of_the_paper():
    labels = np.arange(6) % 5
    shares = 1 - softmax(TEACHER / 4, axis=-1)[np.arange(6), labels]
    whole = distillation.KLDivergence(4.0, reduction=None)(TEACHER, STUDENT)
    target, others = (
        distillation.Decoupled(alpha, beta, 4.0, reduction=None)((TEACHER, labels), STUDENT)
        for alpha, beta in ((1.0, 0.0), (0.0, 1.0))
    )
    np.testing.assert_allclose(target + shares * others, whole, rtol=1e-3)


def test_hot_the_divergence_is_half_the_error_of_logits():
    expected = float(distillation.LogitsMSE()(TEACHER, STUDENT)) / 2
    pair = TEACHER.astype("float64"), STUDENT.astype("float64")
    assert references.kl_divergence(*pair, 1e3).mean() == pytest.approx(expected, rel=0.02)
    loss = distillation.KLDivergence(100.0)(TEACHER, STUDENT)
    assert float(loss) == pytest.approx(expected, rel=0.1)


def test_constants_added_to_logits_change_nothing():
    for name in references.CLASS_LOSSES:
        loss = getattr(distillation, name)()
        assert float(loss(TEACHER + 3, STUDENT - 5)) == pytest.approx(
            float(loss(TEACHER, STUDENT)), rel=1e-4
        )


def test_standardized_logits_have_no_scale():
    for name in references.CLASS_LOSSES:
        loss = getattr(distillation, name)(standardize=True)
        assert float(loss(TEACHER * 7, STUDENT * 0.2)) == pytest.approx(
            float(loss(TEACHER, STUDENT)), rel=1e-4
        )


def test_values_of_samples_have_the_correlations_as_their_mean():
    loss = distillation.DIST(reduction=None)(TEACHER, STUDENT)
    assert loss.shape == (6,) and keras.ops.all(loss >= 0)
    expected = references.dist(TEACHER.astype("float64"), STUDENT.astype("float64"), 1.0)
    assert float(np.mean(loss)) == pytest.approx(expected, rel=1e-3)
    # A sample that is as the teacher wants it still has its part in the columns of the others.
    student = np.concatenate([TEACHER[:1], STUDENT[1:]])
    between = distillation.DIST(gamma=0.0, reduction=None)(TEACHER, student)
    assert float(between[0]) == 0 and float(between[1]) > 0
