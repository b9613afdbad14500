"""Kullback-Leibler divergence of decisions, each for itself."""

from keras import ops

from kerasopt.distillation.losses.logits_loss import LogitsLoss
from kerasopt.distillation.losses.loss import LOSSES
from kerasopt.distillation.outputs import Kind, Output

_EPSILON = 1e-7  # float32 has no probability between 1 - 6e-8 and 1


@LOSSES.register("binary", name="distillation>BinaryKLDivergence")
class BinaryKLDivergence(LogitsLoss):
    """Kullback-Leibler divergence of softened decisions, each output unit for itself.

    For outputs of one sigmoid unit, and for labels that do not exclude each other. With the logits
    `t` of the teacher and `s` of the student and the temperature `T`, it is

        T ** 2 * mean(p * log(p / q) + (1 - p) * log((1 - p) / (1 - q)))
        p = sigmoid(t / T),  q = sigmoid(s / T)

    over the units: the loss of Hinton et al. (2015, https://arxiv.org/abs/1503.02531) for two
    classes, the second with the logit 0; the mean, as in `keras.losses.BinaryCrossentropy`.
    Computed in float32 whatever the dtype policy.

    Probabilities are limited to `[1e-7, 1 - 1e-7]` and converted to logits.

    ```python
    loss = ko.distillation.BinaryKLDivergence(temperature=2.0, from_logits=False)
    loss(np.array([[0.9, 0.2]]), np.array([[0.6, 0.3]]))  # probabilities of two labels
    ```

    Args:
        temperature: `T`, a positive number, or a `kerasopt.schedules.Schedule` of them.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.

    Raises:
        ValueError: If `temperature` is not positive.
    """

    kinds = (Kind.DECISIONS,)

    @classmethod
    def unsuited(cls, output: Output) -> str:
        if output.kind in (Kind.DECISIONS, Kind.UNKNOWN):
            return ""
        return (
            f"{output.kind.value}, by the loss that the model is compiled with, but '{cls.alias}' "
            "compares decisions, each unit for itself."
        )

    def call(self, y_true, y_pred):
        """Computes the divergence of each sample.

        Args:
            y_true: The teacher's outputs, of shape `(..., units)`.
            y_pred: The student's outputs, of the same shape.

        Returns:
            A float32 tensor of shape `(...)`.
        """
        teacher, student = self.softened(y_true, y_pred)
        positive, negative = (
            ops.sigmoid(sign * teacher)
            * (ops.log_sigmoid(sign * teacher) - ops.log_sigmoid(sign * student))
            for sign in (1, -1)
        )
        return self.temperature.value**2 * ops.mean(positive + negative, axis=-1)

    def logits(self, outputs, from_logits: bool):
        if from_logits:
            return outputs
        outputs = ops.clip(outputs, _EPSILON, 1 - _EPSILON)
        return ops.log(outputs) - ops.log1p(-outputs)
