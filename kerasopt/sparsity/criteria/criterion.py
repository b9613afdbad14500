"""What every criterion is."""

from typing import Any

import keras
import numpy as np

from kerasopt.axis import Axis, Choices
from kerasopt.sparsity.masked_weight import MaskedWeight


class Criterion(Axis):
    """Scores the elements of a weight: the lowest scores are pruned first.

    A criterion of your own defines `__call__`; one that needs more than the
    present weight defines `gather`, too.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="my_package")
    class Largest(ko.sparsity.Criterion):
        def __call__(self, weight):
            return -np.abs(weight.value)

    model.fit(x, y, callbacks=[ko.callbacks.Pruning(0.5, criterion=Largest())])
    ```

    Attributes:
        order: Integer n. The score of a group of elements is their Ln norm over
            its size, `(sum(|s|^n) / size)^(1/n)`, so that groups of different
            sizes compare; of order 1 their mean, in which signs count.
        reset_after_update: Boolean, whether gathering begins anew when masks
            have moved.
        signed: Boolean, whether scores may be negative.
    """

    order = 1
    reset_after_update = False
    signed = False

    def __call__(self, weight: MaskedWeight) -> np.ndarray:
        """Returns the scores of `weight`: real numbers, of the same shape."""
        raise TypeError(f"{type(self).__name__} must define `__call__`.")

    def gather(self, weights: list[MaskedWeight], model: keras.Model, attachments: Any) -> None:
        """Begins to gather during training what the criterion needs.

        Called before training; it sets `gathered` of each weight.

        Args:
            weights: The weights that will be scored.
            model: The model that is trained.
            attachments: The `kerasopt.parametrization.Attachments` of this
                training, by which all of it is undone again.

        Raises:
            ValueError: If it cannot be gathered for a weight.
        """

    def reset(self, weights: list[MaskedWeight]) -> None:
        """Forgets what was gathered, if `reset_after_update`."""
        if self.reset_after_update:
            for weight in weights:
                if weight.gathered is not None:
                    weight.gathered.assign(keras.ops.zeros(weight.gathered.shape))

    def scores(self, weight: MaskedWeight) -> np.ndarray:
        """Returns what `__call__` does, as float32, once it is checked.

        Raises:
            ValueError: If these are not real numbers, or not of the weight's shape.
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
        """Returns what was gathered about `weight`, as float32.

        Raises:
            ValueError: If nothing is being gathered.
        """
        statistic = weight.statistic
        if statistic is None:
            raise ValueError(
                f"{self} scores weights by what it gathers while the model trains. Pass it to "
                f"`kerasopt.callbacks.Pruning`. Received: weight='{weight}'"
            )
        return statistic

    def __str__(self):
        return type(self).__name__


CRITERIA = Choices("criterion", Criterion, "kerasopt.sparsity")
