"""The base class of criteria."""

from typing import Any

import keras
import numpy as np

from kerasopt.axis import Axis, Choices
from kerasopt.sparsity.masked_weight import MaskedWeight


class Criterion(Axis):
    """Scores the elements of a weight: the lowest scores are pruned first.

    A custom criterion defines `__call__`. If it needs more than the current
    weight, it also defines `gather`.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="my_package")
    class Largest(ko.sparsity.Criterion):
        def __call__(self, weight):
            return -np.abs(weight.value)

    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.5, criterion=Largest())])
    ```

    Attributes:
        order: Integer n. The score of a group of elements is their Ln norm,
            normalized by the size of the group, `(sum(|s|^n) / size)^(1/n)`, so
            that groups of different sizes are comparable. Of order 1 it is the
            signed mean.
        reset_after_update: Boolean, whether gathering starts anew after each
            mask update.
        signed: Boolean, whether scores may be negative.
    """

    order = 1
    reset_after_update = False
    signed = False

    def __call__(self, weight: MaskedWeight) -> np.ndarray:
        """Returns the scores of `weight`: real numbers, of the same shape."""
        raise TypeError(f"{type(self).__name__} must define `__call__`.")

    def gather(self, weights: list[MaskedWeight], model: keras.Model, attachments: Any) -> None:
        """Starts to gather the statistics that the criterion needs during training.

        Called before training; sets `gathered` of each weight.

        Args:
            weights: The weights that will be scored.
            model: The model that is trained.
            attachments: The `kerasopt.parametrization.Attachments` of this
                training, which undo everything afterwards.

        Raises:
            ValueError: If the statistics are not available for a weight.
        """

    def reset(self, weights: list[MaskedWeight]) -> None:
        """Resets the gathered statistics, if `reset_after_update`."""
        if self.reset_after_update:
            for weight in weights:
                if weight.gathered is not None:
                    weight.gathered.assign(keras.ops.zeros(weight.gathered.shape))

    def scores(self, weight: MaskedWeight) -> np.ndarray:
        """Returns the result of `__call__` as float32, after checking it.

        Raises:
            ValueError: If the scores are not real numbers, or not of the
                weight's shape.
        """
        scores = np.asarray(self(weight))
        shape = tuple(weight.stored.shape)
        if scores.shape != shape or scores.dtype.kind not in "fiub":
            raise ValueError(
                f"A criterion must return one real number for each element of a weight: an array "
                f"of shape {shape} for '{weight}'. Received: criterion={self}, which returned "
                f"shape={scores.shape}, dtype={scores.dtype}"
            )
        return scores.astype("float32", copy=False)

    def statistic(self, weight: MaskedWeight) -> np.ndarray:
        """Returns the statistic gathered for `weight`, as float32.

        Raises:
            ValueError: If nothing is being gathered.
        """
        statistic = weight.statistic
        if statistic is None:
            raise ValueError(
                f"{self} needs statistics that are gathered while the model trains. Pass it to "
                f"`kerasopt.callbacks.Pruning`. Received: weight='{weight}'"
            )
        return statistic

    def __str__(self):
        return type(self).__name__


CRITERIA = Choices("criterion", Criterion)
