"""Moving masks to a sparsity."""

import keras
import numpy as np

from kerasopt.sparsity.criteria import Criterion
from kerasopt.sparsity.scopes import HIDDEN, Scope


def update_masks(
    weights: list[tuple[keras.Variable, keras.Variable]],
    sparsity: float,
    criterion: Criterion,
    scope: Scope,
) -> None:
    """Prunes weights until `sparsity` of them are zero.

    What is pruned stays pruned: hidden weights score lowest. Sparsity never
    falls, so a target below what is reached changes nothing.

    Args:
        weights: List of (stored weight, boolean mask of its shape).
        sparsity: Float in [0, 1), the fraction of zeros that the scope reaches,
            exact to one weight.
        criterion: A `Criterion`.
        scope: A `Scope`.
    """
    masks = [keras.ops.convert_to_numpy(mask) for _, mask in weights]
    scores = [
        np.where(mask, criterion(keras.ops.convert_to_numpy(weight)), np.float32(HIDDEN))
        for (weight, _), mask in zip(weights, masks, strict=True)
    ]
    targets = scope.masks(scores, sparsity)
    for (_, variable), mask, target in zip(weights, masks, targets, strict=True):
        if not np.array_equal(target, mask):
            variable.assign(target)
