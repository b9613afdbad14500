"""Scopes: over which weights a sparsity holds."""

import keras
import numpy as np

from kerasopt.sparsity.axis import Axis, resolve

# The score of a weight that is pruned already.
HIDDEN = -np.inf


class Scope(Axis):
    """Decides which weights of a list are pruned to reach a sparsity."""

    def masks(self, scores: list[np.ndarray], sparsity: float) -> list[np.ndarray]:
        """Returns a boolean mask for each array of scores, `False` where it is pruned.

        Args:
            scores: One float array per weight, `HIDDEN` where it is pruned already and stays so.
            sparsity: Float in [0, 1), the fraction of zeros.
        """
        raise TypeError(f"{type(self).__name__} must define `masks`.")


@keras.saving.register_keras_serializable(package="kerasopt")
class LayerScope(Scope):
    """The same sparsity in every weight."""

    def masks(self, scores, sparsity):
        return [_keep_highest(array, sparsity) for array in scores]


@keras.saving.register_keras_serializable(package="kerasopt")
class GlobalScope(Scope):
    """One threshold for all weights: those that matter less become sparser."""

    def masks(self, scores, sparsity):
        kept = _keep_highest(np.concatenate([array.ravel() for array in scores]), sparsity)
        ends = np.cumsum([array.size for array in scores])
        parts = np.split(kept, ends[:-1])
        return [part.reshape(array.shape) for part, array in zip(parts, scores, strict=True)]


def _keep_highest(scores: np.ndarray, sparsity: float) -> np.ndarray:
    # Weights of a diverged training are not numbers: they are the last to go.
    flat = np.where(np.isnan(scores), np.inf, scores).ravel()
    # Hidden weights, of equal score, would slow the selection down thirtyfold.
    candidates = flat[flat != HIDDEN]
    count = round(sparsity * flat.size) - (flat.size - candidates.size)
    if count <= 0:
        return (flat != HIDDEN).reshape(scores.shape)
    threshold = np.partition(candidates, count - 1)[count - 1]
    mask = flat > threshold
    # A threshold alone prunes too much or too little where scores tie
    # (tensorflow/model-optimization#215): of the ties, the first ones go.
    excess = np.count_nonzero(candidates <= threshold) - count
    if excess:
        mask[np.flatnonzero(flat == threshold)[-excess:]] = True
    return mask.reshape(scores.shape)


ALIASES: dict[str, type] = {"layer": LayerScope, "global": GlobalScope}


def get(identifier) -> Scope:
    """Returns a scope from its alias (`"layer"`, `"global"`), its config or itself."""
    return resolve(identifier, Scope, ALIASES, "scope")
