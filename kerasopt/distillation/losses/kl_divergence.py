"""Kullback-Leibler divergence of class probabilities."""

from keras import ops

from kerasopt.distillation.losses.class_loss import ClassLoss, divergence
from kerasopt.distillation.losses.loss import LOSSES


@LOSSES.register("kl_divergence", name="distillation>KLDivergence")
class KLDivergence(ClassLoss):
    """Kullback-Leibler divergence of softened class probabilities of student and teacher.

    With the logits `t` of the teacher and `s` of the student and the temperature `T`, it is

        T ** 2 * sum(p * (log(p) - log(q))),  p = softmax(t / T),  q = softmax(s / T)

    after Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531): a high temperature reveals how the teacher ranks the wrong
    classes. Gradients of softened probabilities scale with `1 / T ** 2`; the factor compensates for
    this, so that `alpha` does not depend on the temperature. Computed in float32 whatever the dtype
    policy.

    With `standardize` the student need not reach the scale of the teacher's logits, only their
    pattern: Sun et al., "Logit Standardization in Knowledge Distillation" (2024,
    https://arxiv.org/abs/2403.01427), who take a temperature of 2 and a weight of 9 with it.

    Probabilities are converted to logits by the logarithm, up to a constant that does not affect
    the softmax. Those that are zero in float32 tell less than their logits: prefer logits.

    ```python
    loss = ko.distillation.KLDivergence(temperature=4.0, from_logits=True)
    loss(teacher.predict(x), model.predict(x))  # the logits of both

    loss = ko.distillation.KLDivergence(temperature=2.0, standardize=True)
    model.fit(x, y, callbacks=[ko.callbacks.Distillation(teacher, loss=loss)])
    ```

    Args:
        temperature: `T`, a positive number, or a `kerasopt.schedules.Schedule` of them.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.
        standardize: Whether the logits `z` of each sample, of both models, are standardized over
            the classes before they are divided by `T`: `(z - mean(z)) / std(z)`, with
            `std(z) = sqrt(mean((z - mean(z)) ** 2))`, but not less than 0.01.

    Raises:
        ValueError: If `temperature` is not positive; when called, if the last axis of the outputs
            has fewer than two classes, or three with `standardize`.
    """

    def call(self, y_true, y_pred):
        """Computes the divergence of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        teacher, student = map(ops.log_softmax, self.softened(y_true, y_pred))
        return self.temperature.value**2 * divergence(teacher, student)
