"""Correlations of class probabilities."""

from typing import Any

from keras import ops

from kerasopt.distillation.losses.class_loss import ClassLoss
from kerasopt.distillation.losses.loss import LOSSES
from kerasopt.distillation.scalar import not_negative

_SMALLEST_VARIATION, _SMALLEST_NORM = 0.01, 1e-4


@LOSSES.register("dist", name="distillation>DIST")
class DIST(ClassLoss):
    """Pearson correlations between the class probabilities of student and teacher (DIST).

    With the softened probabilities of a batch, `P` of the teacher and `Q` of the student, a row for
    each sample and a column for each class, it is

        T ** 2 * (beta * mean(1 - pearson(P[i, :], Q[i, :])) over samples i
                  + gamma * mean(1 - pearson(P[:, j], Q[:, j])) over classes j)

    after Huang et al., "Knowledge Distillation from A Stronger Teacher" (2022,
    https://arxiv.org/abs/2205.10536): the student learns how the teacher ranks classes, and how it
    ranks the samples of a batch for each class, not the probabilities themselves. Take it for
    teachers that are much larger than the student or trained by a stronger recipe. It needs batches
    with several samples of most classes.

    Each sample has a value of its own, so that sample weights count. With rows (or columns) `a` and
    `b` less their mean and divided by their norm, `1 - pearson` is `sum((a - b) ** 2) / 2`; the
    value of a sample is the sum over its row and, times the number of samples, its own addends of
    the sums over the columns. So the mean over the samples is the formula above. Means and norms of
    columns are those of the whole batch (of one replica), whatever the weights. With further axes,
    each position is a sample. Rows and columns that hardly vary count less: a standard deviation
    below a hundredth of the mean is taken as that, a norm below 1e-4 as 1e-4.

    ```python
    loss = ko.distillation.DIST(beta=2.0, gamma=2.0, temperature=4.0)
    loss(teacher.predict(x), model.predict(x))  # the logits of both

    model.fit(x, y, callbacks=[ko.callbacks.Distillation(teacher, loss="dist")])
    ```

    Args:
        beta: Weight of the correlations between classes, of a sample; a number from 0 on, or a
            `kerasopt.schedules.Schedule` of them.
        gamma: Weight of the correlations within classes, over the samples; likewise.
        temperature: `T`, a positive number, or a schedule. The authors take 1 for ImageNet, 4 for
            CIFAR-100.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.
        standardize: As in `KLDivergence`.

    Raises:
        ValueError: If a number is out of range; when called, if there are fewer than two classes.
    """

    def __init__(
        self,
        beta: Any = 1.0,
        gamma: Any = 1.0,
        temperature: Any = 1.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        standardize: bool = False,
    ):
        super().__init__(
            temperature, from_logits, teacher_from_logits, reduction, name, standardize
        )
        self.beta = not_negative(beta, "beta")
        self.gamma = not_negative(gamma, "gamma")

    def call(self, y_true, y_pred):
        """Computes the loss of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        pair = [ops.softmax(each) for each in self.softened(y_true, y_pred)]
        over_samples = tuple(range(len(y_pred.shape) - 1))
        samples = ops.size(y_pred) // ops.shape(y_pred)[-1]
        between = ops.sum(_gaps(*pair, axis=-1), axis=-1)
        within = ops.mean(_gaps(*pair, axis=over_samples), axis=-1) * ops.cast(samples, "float32")
        return self.temperature.value**2 * (self.beta.value * between + self.gamma.value * within)


def _gaps(a, b, axis):
    """Returns addends of `1 - pearson(a, b)` along axes."""
    return ops.square(_direction(a, axis) - _direction(b, axis)) / 2


def _direction(values, axis):
    total, mean = (reduce(values, axis=axis, keepdims=True) for reduce in (ops.sum, ops.mean))
    squares = ops.sum(ops.square(values - mean), axis=axis, keepdims=True)
    # A last layer that starts with zeros gives equal values, where slopes would be infinite.
    least = ops.maximum(total * mean * _SMALLEST_VARIATION**2, _SMALLEST_NORM**2)
    return (values - mean) * ops.rsqrt(ops.maximum(squares, least))
