"""What a transformer attends to."""

import keras
from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import mean_of_positions

_DISTANCES = ("squared", "kl_divergence")


@FEATURE_LOSSES.register("attention_maps", name="distillation>AttentionMaps")
class AttentionMaps(FeatureLoss):
    """Distance of the attention probabilities of student and teacher.

    With the probabilities `t` and `s` that a query gives to the keys, it is the mean over heads and
    queries of

        sum((t - s) ** 2)          # "squared"
        sum(t * log(t / s))        # "kl_divergence"

    over keys: the first as in Jiao et al., "TinyBERT" (2020, https://arxiv.org/abs/1909.10351),
    there of scores before the softmax and averaged over keys, the second as in Wang et al.,
    "MiniLM" (2020, https://arxiv.org/abs/2002.10957). If the numbers of heads differ, the mean of
    the heads is compared. Queries that are padding do not count; keys that are have probability 0.

    ```python
    scores = keras.ops.softmax(np.random.rand(8, 4, 10, 10))  # (batch, heads, queries, keys)
    ko.distillation.AttentionMaps("kl_divergence")(scores, scores)  # 0.0
    ```

    Args:
        distance: `"squared"` or `"kl_divergence"`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If `distance` is neither, features do not have four axes, or the numbers of
            queries or keys differ.
    """

    reads = "scores"

    def __init__(
        self,
        distance: str = "squared",
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ):
        super().__init__(reduction, name)
        if distance not in _DISTANCES:
            raise ValueError(
                f"`distance` must be one of {_DISTANCES}. Received: distance={distance!r}"
            )
        self.distance = distance

    def call(self, y_true, y_pred, mask=None):
        if len(y_pred.shape) != 4:
            raise ValueError(
                "`AttentionMaps` compares attention scores of shape (batch, heads, queries, keys). "
                f"Received: a tensor of shape {tuple(y_pred.shape)}"
            )
        if y_true.shape[1] != y_pred.shape[1]:
            y_true, y_pred = (ops.mean(each, axis=1, keepdims=True) for each in (y_true, y_pred))
        self.require_equal(y_true, y_pred, slice(None), "equal numbers of queries and keys")
        if self.distance == "squared":
            values = ops.sum(ops.square(y_true - y_pred), axis=-1)
        else:
            values = keras.losses.kl_divergence(y_true, y_pred)
        return mean_of_positions(ops.mean(values, axis=1), mask)

    def get_config(self) -> dict:
        return {**super().get_config(), "distance": self.distance}
