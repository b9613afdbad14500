"""Decoupled distillation: the labelled class, and the others among each other."""

from typing import Any

from keras import ops

from kerasopt.distillation.losses.class_loss import ClassLoss, divergence
from kerasopt.distillation.losses.labels import labelled, with_labels
from kerasopt.distillation.losses.loss import LOSSES
from kerasopt.distillation.outputs import Output
from kerasopt.distillation.scalar import not_negative
from kerasopt.keras_internals.calls import set_mask

_MINUS_INFINITY = -1e30  # finite, so that differences of two are 0


@LOSSES.register("decoupled", name="distillation>Decoupled")
class Decoupled(ClassLoss):
    """Divergence of the labelled class, and of the other classes among each other (DKD).

    With the softened probabilities `p` of the teacher and `q` of the student, and the labelled
    class `c`, it is

        T ** 2 * (alpha * TCKD + beta * NCKD)
        TCKD = KL([p[c], 1 - p[c]], [q[c], 1 - q[c]])
        NCKD = KL(p without c / (1 - p[c]), q without c / (1 - q[c]))

    after Zhao et al., "Decoupled Knowledge Distillation" (2022, https://arxiv.org/abs/2203.08679).
    `KLDivergence` is the same with `alpha=1` and `beta=1 - p[c]`: it hardly listens to what the
    teacher knows about the wrong classes of samples that it is sure of. Take this loss for teachers
    that are sure, and for many classes. Of two classes nothing but TCKD is left.

    Labels are integers of shape `(...)` or `(..., 1)`, or one-hot. Without labels the teacher's
    most likely class stands in. In a compiled step labels that are neither make the loss NaN, and
    have no gradient; `kerasopt.callbacks.Distillation` raises after the first step.

    ```python
    loss = ko.distillation.Decoupled(beta=2.0, temperature=4.0)
    loss((teacher.predict(x), y), model.predict(x))

    model.fit(x, y, callbacks=[ko.callbacks.Distillation(teacher, loss=loss, alpha=0.5)])
    ```

    Args:
        alpha: Weight of TCKD, a number from 0 on, or a `kerasopt.schedules.Schedule` of them. (The
            `alpha` of `kerasopt.callbacks.Distillation` is another: the share of the whole loss.)
        beta: Weight of NCKD, likewise. The authors take 2 to 8 for CIFAR-100, the more the surer
            the teacher is, and 0.5 to 2 for ImageNet.
        temperature: `T`, a positive number, or a schedule. The authors take 4 for CIFAR-100, 1 for
            ImageNet.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.
        standardize: As in `KLDivergence`.
        ignore_class: An integer label whose samples (or positions) do not count, as in
            `keras.losses.SparseCategoricalCrossentropy`. By the alias `"decoupled"`, that of the
            compiled loss.

    Raises:
        ValueError: If a number is out of range; when called, if there are fewer than two classes,
            or labels are neither integers below their number nor one-hot.
    """

    uses_labels = True
    options = (*ClassLoss.options, "ignore_class")

    def __init__(
        self,
        alpha: Any = 1.0,
        beta: Any = 8.0,
        temperature: Any = 4.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        standardize: bool = False,
        ignore_class: int | None = None,
    ):
        super().__init__(
            temperature, from_logits, teacher_from_logits, reduction, name, standardize
        )
        self.alpha = not_negative(alpha, "alpha")
        self.beta = not_negative(beta, "beta")
        self.ignore_class = ignore_class

    @classmethod
    def for_output(cls, output: Output, teacher: Output, from_logits=None, **options):
        ignored = getattr(output.loss, "ignore_class", None)
        return super().for_output(output, teacher, from_logits, ignore_class=ignored, **options)

    def call(self, y_true, y_pred):
        """Computes the loss of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`; or a tuple of them and the
                labels.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        outputs, labels = with_labels(y_true)
        if labels is None or self.ignore_class is None:
            return self._loss(outputs, labels, y_pred)
        is_ignored = labels == self.ignore_class
        loss = self._loss(outputs, ops.where(is_ignored, 0, labels), y_pred)
        # Others make up the mean, as in the loss of Keras.
        set_mask(loss, ops.reshape(ops.logical_not(is_ignored), ops.shape(loss)))
        return loss

    def unusable(self, labels, outputs):
        """Returns how many labels name no class, a float32 scalar."""
        if self.ignore_class is not None:
            labels = ops.where(labels == self.ignore_class, 0, labels)
        has_label = ops.any(labelled(labels, outputs), axis=-1)
        return ops.sum(ops.cast(ops.logical_not(has_label), "float32"))

    def _loss(self, outputs, labels, y_pred):
        teacher, student = map(ops.log_softmax, self.softened(outputs, y_pred))
        target = labelled(labels, outputs)
        teacher, student = _decoupled(teacher, target), _decoupled(student, target)
        of_target, of_others = map(divergence, teacher, student)
        loss = self.alpha.value * of_target + self.beta.value * of_others
        has_label = ops.any(target, axis=-1)
        return ops.where(has_label, self.temperature.value**2 * loss, float("nan"))

    def get_config(self) -> dict:
        return {**super().get_config(), "ignore_class": self.ignore_class}


def _decoupled(log_p, target):
    """Returns log-probabilities of (labelled, not labelled), and of the others if not labelled."""
    others = ops.where(target, _MINUS_INFINITY, log_p)
    not_target = ops.logsumexp(others, axis=-1, keepdims=True)
    of_target = ops.sum(ops.where(target, log_p, 0.0), axis=-1, keepdims=True)
    return ops.concatenate([of_target, not_target], axis=-1), others - not_target
