"""Mean squared error of normalized features."""

from typing import Any

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import mean_of_positions, over_positions

# Added to variances; a channel with a deviation below 0.001 hardly counts.
_EPSILON = 1e-6


@FEATURE_LOSSES.register("normalized", name="distillation>Normalized")
class Normalized(FeatureLoss):
    """Mean squared error of features whose channels have mean 0 and variance 1.

    Each channel of the teacher, and each of the student, is normalized by its own mean and variance
    over the batch and all positions. With these values `t` and `s`, it is

        mean((t - s) ** 2) / 2

    which is `1 - r` with the Pearson correlation `r` of a channel, averaged over channels: all
    channels count alike, whatever their scale. After Cao et al., "PKD: General Distillation
    Framework for Object Detectors via Pearson Correlation Coefficient" (2022,
    https://arxiv.org/abs/2207.02039).

    Channels that are constant in a batch become zeros. Samples of weight 0 count in the means and
    variances.

    ```python
    features = np.random.rand(8, 4, 4, 16)  # of shape (batch, height, width, channels)
    ko.distillation.Normalized()(3 * features + 5, features)  # 0.0, up to rounding
    ```

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If the shapes of the features differ.
    """

    adapts = frozenset({"size", "channels"})

    def call(self, y_true, y_pred, mask=None):
        self.require_equal(y_true, y_pred, slice(None), "equal shapes")
        difference = _normalized(y_true, mask) - _normalized(y_pred, mask)
        return mean_of_positions(0.5 * ops.mean(ops.square(difference), axis=-1), mask)


def _normalized(features: Any, mask: Any) -> Any:
    centered = features - _mean(features, mask)
    return centered * ops.rsqrt(_mean(ops.square(centered), mask) + _EPSILON)


def _mean(values: Any, mask: Any) -> Any:
    """Returns the mean of each channel over samples and the positions that count."""
    axes = tuple(range(len(values.shape) - 1))
    if mask is None:
        return ops.mean(values, axis=axes, keepdims=True)
    counted = ops.broadcast_to(over_positions(mask, values), ops.shape(values))
    weights = ops.cast(counted, values.dtype)
    total = ops.sum(ops.where(counted, values, 0.0), axis=axes, keepdims=True)
    return total / ops.maximum(ops.sum(weights, axis=axes, keepdims=True), 1.0)
