"""Mean squared error of features."""

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import mean_of_positions


@FEATURE_LOSSES.register("hint", name="distillation>Hint", hidden_states={"name": "hidden_states"})
class Hint(FeatureLoss):
    """Mean squared error of the features of student and teacher.

    With the features `t` of the teacher and `s` of the student, projected to the teacher's
    channels, it is

        mean((t - s) ** 2)

    over channels and positions, after Romero et al., "FitNets: Hints for Thin Deep Nets" (2015,
    https://arxiv.org/abs/1412.6550). On sequences it is the loss of hidden states of Jiao et al.,
    "TinyBERT" (2020, https://arxiv.org/abs/1909.10351), so `"hidden_states"` is an alias; padding
    does not count.

    ```python
    features = np.ones((8, 4, 4, 16), "float32")  # of shape (batch, height, width, channels)
    ko.distillation.Hint()(2 * features, features)  # 1.0
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
        return mean_of_positions(ops.mean(ops.square(y_true - y_pred), axis=-1), mask)
