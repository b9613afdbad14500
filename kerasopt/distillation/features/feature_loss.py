"""The axis of feature losses, and what they have in common."""

from typing import Any

import keras
from keras import ops

from kerasopt.axis import Choices
from kerasopt.keras_internals.calls import mask_of
from kerasopt.keras_internals.training import reduce_weighted_values


class FeatureLoss(keras.losses.Loss):
    """A loss between features of a teacher and of a student, one value per sample.

    To add a loss, subclass this, write `call`, and decorate the class with
    `@ko.distillation.features.register("alias")`.

    ```python
    @ko.distillation.features.register("largest", package="my_project")
    class LargestDifference(ko.distillation.FeatureLoss):
        adapts = frozenset({"size", "channels"})

        def call(self, y_true, y_pred, mask=None):
            return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=(1, 2))
    ```

    Features are float32 tensors of shape `(batch, ..., channels)`. If the features of the student
    have a mask, as those after an `Embedding(mask_zero=True)` have, positions that it excludes do
    not count: a sample's value is the mean over the others.

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: its alias.

    Attributes:
        adapts: The differences in shape that are removed before the loss is called: `"size"`, by
            pooling, and `"channels"`, by a trained projection of the student's features.
        reads: What is read of a layer that is named: its `"output"`, the `"scores"` of an
            attention, or its `"projections"`, a tuple of queries, keys and values.
    """

    adapts: frozenset[str] = frozenset()
    reads = "output"

    def __init__(self, reduction: str = "sum_over_batch_size", name: str | None = None):
        name = name or getattr(self, "alias", None)
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras would weight the values by the mask, but these are means over positions already.
        masks = [mask_of(tensor) for tensor in keras.tree.flatten(y_pred)]
        mask = next((mask for mask in masks if mask is not None), None)
        y_true, y_pred = (keras.tree.map_structure(self._cast, each) for each in (y_true, y_pred))
        return reduce_weighted_values(
            self.call(y_true, y_pred, mask),
            sample_weight=None if sample_weight is None else self._per_sample(sample_weight),
            reduction=self.reduction,
            dtype=self.dtype,
        )

    def call(self, y_true, y_pred, mask=None):
        """Computes the loss of each sample.

        Args:
            y_true: The teacher's features.
            y_pred: The student's.
            mask: Boolean tensor of shape `(batch, length)`, false where positions do not count, or
                `None`.

        Returns:
            A float32 tensor of shape `(batch,)`.
        """
        raise NotImplementedError

    def require_equal(self, y_true: Any, y_pred: Any, axes: slice, wanted: str) -> None:
        """Raises `ValueError` if the shapes of two tensors differ in `axes`.

        Args:
            y_true: The teacher's features.
            y_pred: The student's.
            axes: A slice of the axes. Sizes that are unknown are equal to any.
            wanted: What must be equal, for the message.
        """
        theirs, ours = tuple(y_true.shape), tuple(y_pred.shape)
        pairs = list(zip(theirs[axes], ours[axes], strict=False))
        open_ended = axes.stop is None or axes.stop < 0
        if (open_ended and len(theirs) != len(ours)) or any(
            None not in pair and pair[0] != pair[1] for pair in pairs
        ):
            raise ValueError(
                f"`{type(self).__name__}` compares features of {wanted}: choose other layers. "
                f"Received: features of the teacher of shape {theirs}, of the student {ours}"
            )

    def _cast(self, tensor: Any) -> Any:
        return ops.convert_to_tensor(tensor, dtype=self.dtype)

    def _per_sample(self, sample_weight: Any) -> Any:
        """Returns the mean weight of each sample, where its positions have weights."""
        weights = self._cast(sample_weight)
        return ops.mean(weights, axis=tuple(range(1, len(weights.shape))))


FEATURE_LOSSES = Choices("features", keras.losses.Loss)
