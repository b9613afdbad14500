"""Scores of a classifier."""

from typing import NamedTuple

import numpy as np


class ClassificationScores(NamedTuple):
    """Accuracy, and precision, recall and F1 as unweighted means over the classes."""

    accuracy: float
    precision: float
    recall: float
    f1: float


def classification_scores(labels: np.ndarray, predictions: np.ndarray) -> ClassificationScores:
    """Scores predictions against labels.

    Macro averages are defined as in scikit-learn: over the classes that occur in the labels or
    predictions, with 0 for quotients with a denominator of 0.

    Args:
        labels: Integer classes of shape `(n,)` or `(n, 1)`, or one-hot rows `(n, classes)`.
        predictions: Logits or probabilities of shape `(n, classes)`. With one column, the model is
            binary: probabilities are thresholded at 0.5, and logits (if any value is outside [0,
            1]) at 0.

    Returns:
        The `ClassificationScores`.
    """
    true, predicted = _classes_of_labels(labels), _classes_of_predictions(predictions)
    size = int(max(true.max(), predicted.max())) + 1
    confusion = np.bincount(true * size + predicted, minlength=size**2).reshape(size, size)
    hits, actual, guessed = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    occurring = actual + guessed > 0

    def macro(denominator):
        return float((hits / np.maximum(denominator, 1))[occurring].mean())

    return ClassificationScores(
        accuracy=float(hits.sum() / confusion.sum()),
        precision=macro(guessed),
        recall=macro(actual),
        f1=macro((actual + guessed) / 2),
    )


def _classes_of_labels(labels: np.ndarray) -> np.ndarray:
    one_hot = labels.ndim == 2 and labels.shape[1] > 1
    return labels.argmax(-1) if one_hot else labels.reshape(-1).astype(np.int64)


def _classes_of_predictions(predictions: np.ndarray) -> np.ndarray:
    if predictions.ndim != 2:
        raise ValueError(
            "`benchmark` scores classifiers, whose outputs have shape `(n, classes)`. "
            f"Received: output shape={predictions.shape}"
        )
    if predictions.shape[1] > 1:
        return predictions.argmax(-1)
    are_logits = predictions.min() < 0 or predictions.max() > 1
    return (predictions[:, 0] > (0.0 if are_logits else 0.5)).astype(np.int64)
