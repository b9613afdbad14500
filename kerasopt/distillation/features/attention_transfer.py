"""Where in an image features are active."""

from typing import Any

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import masked, rows, unit


@FEATURE_LOSSES.register("attention_transfer", name="distillation>AttentionTransfer")
class AttentionTransfer(FeatureLoss):
    """Squared distance of the maps of where the features of student and teacher are active.

    The map of features `f` is the sum of squares over the channels of each position, as a vector of
    length 1. With the maps `t` of the teacher and `s` of the student it is

        a = sum(f ** 2, over channels),  t, s = a / |a|
        sum((t - s) ** 2)

    after Zagoruyko and Komodakis, "Paying More Attention to Attention" (2017,
    https://arxiv.org/abs/1612.03928). It is the square of their distance, whose gradient is finite
    where the maps are equal, and lies between 0 and 2 whatever the number of positions: where code
    averages over positions, multiply its weight by 1 / positions. The numbers of channels may
    differ, so there is nothing to project.

    ```python
    teacher_features = np.ones((8, 4, 4, 64), "float32")  # (batch, height, width, channels)
    ko.distillation.AttentionTransfer()(teacher_features, np.ones((8, 4, 4, 16)))  # 0.0
    ```

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If the numbers of positions differ, or there are none.
    """

    adapts = frozenset({"size"})

    def call(self, y_true, y_pred, mask=None):
        self.require_equal(y_true, y_pred, slice(None, -1), "equal sizes and any channels")
        if len(y_pred.shape) < 3:
            raise ValueError(
                "`AttentionTransfer` compares positions, so it needs features of shape (batch, "
                "length, channels) or with more axes; for vectors use 'hint' or 'cosine'. "
                f"Received: features of shape {tuple(y_pred.shape)}"
            )
        return ops.sum(ops.square(_map(y_true, mask) - _map(y_pred, mask)), axis=-1)


def _map(features: Any, mask: Any) -> Any:
    return unit(rows(ops.sum(ops.square(masked(features, mask)), axis=-1)))
