"""How far apart the samples of a batch are, and in which directions."""

from typing import Any

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import huber, rows
from kerasopt.distillation.scalar import not_negative

# Rounding makes squared distances of equal samples this share of their squared lengths.
_ROUNDING = 1e-6


@FEATURE_LOSSES.register("relational", name="distillation>Relational")
class Relational(FeatureLoss):
    """Distances and angles between the samples of a batch, to student and teacher.

    With a vector of all features of each sample and the Huber loss `h`, it is

        distance * mean(h(d_teacher - d_student)) + angle * mean(h(c_teacher - c_student))

    where `d` are the distances of all pairs of samples, divided by their mean, and `c` the cosines
    of the angles that all triples of samples form, after Park et al., "Relational Knowledge
    Distillation" (2019, https://arxiv.org/abs/1904.05068). The value of a sample is the mean over
    the pairs and angles that begin in it. Features may have any shapes: nothing is projected or
    pooled. A batch of one sample has loss 0. A sample of weight 0 still counts for the others.

    Angles take memory of 4 · batch³ bytes for each model: 8 MB for 128 samples, 540 MB for 512.

    ```python
    teacher_features, features = np.random.rand(32, 256), np.random.rand(32, 64)
    ko.distillation.Relational(distance=1.0, angle=2.0)(teacher_features, features)
    ```

    Args:
        distance: Weight of the distances, a number from 0 on or a `kerasopt.schedules.Schedule`.
        angle: Weight of the angles; like `distance`.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If a weight is negative, or the numbers of samples differ.
    """

    def __init__(
        self,
        distance: Any = 1.0,
        angle: Any = 2.0,
        reduction: str = "sum_over_batch_size",
        name: str | None = None,
    ):
        super().__init__(reduction, name)
        self.distance = not_negative(distance, "distance")
        self.angle = not_negative(angle, "angle")

    def call(self, y_true, y_pred, mask=None):
        self.require_equal(y_true, y_pred, slice(1), "the same samples")
        distances, cosines = _distances_and_cosines(rows(y_true, mask))
        own_distances, own_cosines = _distances_and_cosines(rows(y_pred, mask))
        of_distances = ops.mean(huber(distances - own_distances), axis=-1)
        of_angles = ops.mean(huber(cosines - own_cosines), axis=(1, 2))
        return self.distance.value * of_distances + self.angle.value * of_angles

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "distance": self.distance.config(),
            "angle": self.angle.config(),
        }


def _distances_and_cosines(vectors: Any) -> tuple[Any, Any]:
    """Returns (batch, batch) distances over their mean, and (batch, batch, batch) cosines.

    All follow from the products of pairs, so differences of pairs are not held in memory.
    """
    vectors = vectors - ops.mean(vectors, axis=0, keepdims=True)  # less is lost to rounding
    products = ops.matmul(vectors, ops.transpose(vectors))
    squares = ops.diagonal(products)
    lengths = squares[:, None] + squares[None, :]
    squared = lengths - 2.0 * products
    # The root has no gradient at 0: equal samples have neither direction nor gradient.
    apart = squared > _ROUNDING * lengths
    inverse = ops.where(apart, ops.rsqrt(ops.where(apart, squared, 1.0)), 0.0)
    distances = squared * inverse
    # (i - j) · (k - j) for the angle at j, with axes j, i, k.
    sides = products[None, :, :] - products[:, :, None] - products[:, None, :]
    cosines = (sides + squares[:, None, None]) * inverse[:, :, None] * inverse[:, None, :]
    return distances / _mean_of_pairs(distances), cosines


def _mean_of_pairs(distances: Any) -> Any:
    """Returns the mean distance of different samples; 1 if all are equal."""
    count = ops.sum(ops.ones_like(distances[0]))
    mean = ops.sum(distances) / ops.maximum(count * (count - 1.0), 1.0)
    return ops.where(mean > 0.0, mean, 1.0)
