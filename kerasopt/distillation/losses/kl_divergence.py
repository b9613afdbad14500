"""Kullback-Leibler divergence of class probabilities."""

import math

import keras
import numpy as np
from keras import ops

from kerasopt.distillation.losses.loss import LOSSES
from kerasopt.distillation.outputs import Kind, Output


@LOSSES.register("kl_divergence", name="distillation>KLDivergence")
class KLDivergence(keras.losses.Loss):
    """Kullback-Leibler divergence of softened class probabilities of student and teacher.

    With the logits `t` of the teacher and `s` of the student and the temperature `T`, it is

        T ** 2 * sum(p * (log(p) - log(q))),  p = softmax(t / T),  q = softmax(s / T)

    after Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531): a high temperature reveals how the teacher ranks the wrong
    classes. Gradients of softened probabilities scale with `1 / T ** 2`; the factor compensates for
    this, so that `alpha` does not depend on the temperature. Computed in float32 whatever the dtype
    policy.

    Probabilities are converted to logits by the logarithm, up to a constant that does not affect
    the softmax.

    ```python
    loss = ko.distillation.KLDivergence(temperature=4.0, from_logits=True)
    loss(teacher.predict(x), model.predict(x))  # the logits of both
    ```

    Args:
        temperature: `T`, a positive float.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: If `temperature` is not positive, or the last axis of the outputs has fewer than
            two classes.
    """

    def __init__(
        self,
        temperature: float = 4.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str = "sum_over_batch_size",
        name: str = "kl_divergence",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        if not 0 < temperature < math.inf:
            raise ValueError(
                f"`temperature` must be a positive number. Received: temperature={temperature!r}"
            )
        self.temperature = float(temperature)
        self.from_logits = from_logits
        self.teacher_from_logits = (
            from_logits if teacher_from_logits is None else teacher_from_logits
        )

    @classmethod
    def for_output(
        cls,
        output: Output,
        teacher: Output,
        temperature: float = 4.0,
        from_logits: bool | None = None,
    ) -> "KLDivergence":
        """Returns the loss for one output of a model and its teacher.

        Args:
            output: The `Output` of the model.
            teacher: The `Output` of the teacher; unknown properties of one are taken from the
                other.
            temperature: `T`.
            from_logits: Whether both are logits; `None`: derived from the outputs.

        Raises:
            ValueError: If the output has no classes, or it is unknown whether it has logits.
        """
        if output.kind in (Kind.DECISIONS, Kind.VALUES) or output.shape[-1] == 1:
            of_loss = f"{output.kind.value}, by the loss that the model is compiled with"
            reason = "one unit" if output.shape[-1] == 1 else of_loss
            raise ValueError(
                f"{output} has {reason}, but 'kl_divergence' compares probabilities of mutually "
                "exclusive classes. If it has such classes, pass a `KLDivergence` for it."
            )
        if from_logits is not None:
            return cls(temperature, from_logits)
        known = [o.kind for o in (output, teacher) if o.kind in (Kind.LOGITS, Kind.PROBABILITIES)]
        if not known:
            raise ValueError(
                f"{output} may be logits or class probabilities: the compiled loss does not tell. "
                "Pass `from_logits` to `Distillation`."
            )
        student, taught = known[0] is Kind.LOGITS, known[-1] is Kind.LOGITS
        return cls(temperature, student, taught)

    def call(self, y_true, y_pred):
        """Computes the divergence of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., classes)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "`KLDivergence` compares probabilities over two or more classes on the last axis. "
                "For a single output unit pass another `loss`, such as "
                f"`keras.losses.MeanSquaredError()`. Received: y_pred of shape {y_pred.shape}"
            )
        teacher = self._log_probabilities(y_true, self.teacher_from_logits)
        student = self._log_probabilities(y_pred, self.from_logits)
        return self.temperature**2 * ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)

    def _log_probabilities(self, outputs, from_logits: bool):
        if not from_logits:
            outputs = ops.log(ops.maximum(outputs, float(np.finfo("float32").tiny)))
        return ops.log_softmax(outputs / self.temperature, axis=-1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "from_logits": self.from_logits,
            "teacher_from_logits": self.teacher_from_logits,
        }
