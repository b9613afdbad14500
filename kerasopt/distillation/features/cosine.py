"""Cosine distance of features."""

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import mean_of_positions, unit


@FEATURE_LOSSES.register("cosine", name="distillation>Cosine")
class Cosine(FeatureLoss):
    """Cosine distance of the features of student and teacher at each position.

    With the vectors of channels `t` of the teacher and `s` of the student it is

        mean(1 - t · s / (|t| * |s|))

    over positions: the direction of features counts, not their length. Vectors of zeros have
    distance 1 from all. As Sanh et al. compare hidden states in "DistilBERT" (2019,
    https://arxiv.org/abs/1910.01108).

    ```python
    features = np.ones((8, 10, 16), "float32")  # of shape (batch, length, channels)
    ko.distillation.Cosine()(2 * features, features)  # 0.0
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
        similarity = ops.sum(unit(y_true) * unit(y_pred), axis=-1)
        return mean_of_positions(1.0 - similarity, mask)
