"""Which samples of a batch are similar."""

from typing import Any

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import rows, unit


@FEATURE_LOSSES.register("similarity", name="distillation>SimilarityPreserving")
class SimilarityPreserving(FeatureLoss):
    """Squared distance of how similar the samples of a batch are to student and teacher.

    With all features of a sample in a row of `f`, it is

        g = f @ f.T, each row divided by its length
        mean((g_teacher - g_student) ** 2)

    after Tung and Mori, "Similarity-Preserving Knowledge Distillation" (2019,
    https://arxiv.org/abs/1907.09682). The value of a sample is the mean over its row. Features may
    have any shapes: nothing is projected or pooled. A batch of one sample has loss 0. A sample of
    weight 0 still counts in the rows of the others.

    ```python
    teacher_features, features = np.random.rand(32, 4, 4, 64), np.random.rand(32, 16)
    ko.distillation.SimilarityPreserving()(teacher_features, features)
    ```

    Args:
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If the numbers of samples differ.
    """

    def call(self, y_true, y_pred, mask=None):
        self.require_equal(y_true, y_pred, slice(1), "the same samples")
        difference = _similarities(y_true, mask) - _similarities(y_pred, mask)
        return ops.mean(ops.square(difference), axis=-1)


def _similarities(features: Any, mask: Any) -> Any:
    vectors = rows(features, mask)
    return unit(ops.matmul(vectors, ops.transpose(vectors)))
