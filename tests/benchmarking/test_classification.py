"""Scores of classifiers equal scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from kerasopt.benchmarking.classification import classification_scores


def expected(labels, predicted):
    macro = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    return (accuracy_score(labels, predicted), *macro[:3])


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 6), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_equals_scikit_learn(classes, examples, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, examples)
    logits = rng.normal(size=(examples, classes))
    scores = classification_scores(labels, logits)
    np.testing.assert_allclose(scores, expected(labels, logits.argmax(-1)), rtol=1e-12)


def test_labels_and_predictions_in_any_form_score_the_same():
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 5, 40), rng.normal(size=(40, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    scores = classification_scores(labels, logits)
    assert classification_scores(labels, probabilities) == scores
    assert classification_scores(labels[:, None].astype("float32"), logits) == scores
    assert classification_scores(np.eye(5)[labels], logits) == scores


@pytest.mark.parametrize("from_logits", [True, False])
def test_binary_models_have_one_column(from_logits):
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, 40), rng.normal(size=(40, 1))
    outputs = logits if from_logits else 1 / (1 + np.exp(-logits))
    scores = classification_scores(labels, outputs)
    np.testing.assert_allclose(scores, expected(labels, logits[:, 0] > 0), rtol=1e-12)
