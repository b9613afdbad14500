"""Relations between the queries, the keys and the values of attention."""

from typing import Any

from keras import ops

from kerasopt.distillation.features.feature_loss import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.features.reductions import mean_of_positions

# Far below any score, and finite: no position at all counts in some rows.
_EXCLUDED = -1e9


@FEATURE_LOSSES.register("relations", name="distillation>Relations")
class Relations(FeatureLoss):
    """Kullback-Leibler divergence of the relations of queries, keys and values.

    Queries, keys and values are split into `heads` heads of equal width `d`, whatever heads the
    models have. For each of the three, with the vectors `x` of a head, it is the mean over heads
    and positions of

        r = softmax(x @ x.T / sqrt(d))
        sum(r_teacher * log(r_teacher / r_student))

    and the three are added, after Wang et al., "MiniLMv2" (2021, https://arxiv.org/abs/2012.15828).
    Neither widths nor heads of the models need to be equal, so nothing is projected. Padding counts
    neither as a row nor as a column.

    ```python
    teacher_vectors = tuple(np.random.rand(3, 8, 10, 12, 64))  # (batch, length, heads, size)
    vectors = tuple(np.random.rand(3, 8, 10, 4, 32))  # or (batch, length, width)
    ko.distillation.Relations(heads=16)(teacher_vectors, vectors)
    ```

    Args:
        heads: Number of relation heads, a positive integer that divides the widths of queries, keys
            and values of both models. More heads are finer; the paper takes 48 for a width of 768.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If `heads` is not positive or does not divide a width, the features are not
            queries, keys and values, or their lengths differ.
    """

    reads = "projections"

    def __init__(
        self, heads: int = 8, reduction: str = "sum_over_batch_size", name: str | None = None
    ):
        super().__init__(reduction, name)
        if not isinstance(heads, int) or heads < 1:
            raise ValueError(f"`heads` must be a positive integer. Received: heads={heads!r}")
        self.heads = heads

    def call(self, y_true, y_pred, mask=None):
        for tensors in (y_true, y_pred):
            if not isinstance(tensors, (tuple, list)) or len(tensors) != 3:
                raise ValueError(
                    "`Relations` compares tuples of queries, keys and values. Received: "
                    f"{tensors!r}"
                )
        pairs = zip(y_true, y_pred, strict=True)
        return sum(self._divergence(teacher, student, mask) for teacher, student in pairs)

    def _divergence(self, teacher: Any, student: Any, mask: Any) -> Any:
        self.require_equal(teacher, student, slice(2), "the same samples and equal lengths")
        theirs, ours = (self._log_relations(each, mask) for each in (teacher, student))
        values = ops.sum(ops.exp(theirs) * (theirs - ours), axis=-1)
        return mean_of_positions(ops.mean(values, axis=1), mask)

    def _log_relations(self, vectors: Any, mask: Any) -> Any:
        """Returns the logarithms of relations, of shape (batch, heads, length, length)."""
        size = self._size(vectors)
        batch, length = ops.shape(vectors)[:2]
        heads = ops.reshape(vectors, (batch, length, self.heads, size))
        scores = ops.einsum("bihd,bjhd->bhij", heads, heads) / size**0.5
        if mask is not None:
            scores = ops.where(ops.cast(mask, "bool")[:, None, None, :], scores, _EXCLUDED)
        return ops.log_softmax(scores, axis=-1)

    def _size(self, vectors: Any) -> int:
        """Returns the size of a relation head."""
        shape = tuple(vectors.shape)
        width = shape[2] * (shape[3] if len(shape) == 4 else 1) if len(shape) in (3, 4) else 0
        if not width or width % self.heads:
            raise ValueError(
                f"`Relations` splits vectors of shape (batch, length, width) or (batch, length, "
                f"heads, size) into `heads`, which must divide their width. Received: "
                f"heads={self.heads}, a tensor of shape {shape}"
            )
        return width // self.heads

    def get_config(self) -> dict:
        return {**super().get_config(), "heads": self.heads}
