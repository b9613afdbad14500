"""The base class of losses between the logits of classes."""

from typing import Any, ClassVar

from keras import ops

from kerasopt.distillation.losses.logits_loss import LogitsLoss
from kerasopt.distillation.outputs import Kind, Output

# Its reciprocal, the slope of the logarithm, leaves room in float32 for the factors of a gradient.
_SMALLEST_PROBABILITY = 1e-30
# Of logits that are all equal the slope of the z-score would be infinite.
_SMALLEST_DEVIATION = 0.01


class ClassLoss(LogitsLoss):
    """A loss between the logits of mutually exclusive classes: the base class of such losses.

    Probabilities are converted to logits by the logarithm, up to a constant that does not affect
    the softmax.

    Args:
        temperature: A positive number, or a `kerasopt.schedules.Schedule` of them.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.
        standardize: Whether the logits `z` of each sample, of both models, are standardized over
            the classes before they are divided by the temperature:
            `(z - mean(z)) / std(z)`, with `std(z) = sqrt(mean((z - mean(z)) ** 2))`.

    Raises:
        ValueError: If `temperature` is not positive; when called, if there are fewer than two
            classes, or three if they are standardized.
    """

    kinds = (Kind.LOGITS, Kind.PROBABILITIES)
    options: ClassVar[tuple[str, ...]] = ("temperature", "standardize")

    def __init__(
        self,
        temperature: Any = 4.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        standardize: bool = False,
    ):
        super().__init__(temperature, from_logits, teacher_from_logits, reduction, name)
        self.standardize = standardize

    @classmethod
    def unsuited(cls, output: Output) -> str:
        of_loss = f"{output.kind.value}, by the loss that the model is compiled with"
        one_unit = output.shape[-1] == 1
        if not one_unit and output.kind not in (Kind.DECISIONS, Kind.VALUES):
            return ""
        reason = "one unit" if one_unit else of_loss
        return f"{reason}, but '{cls.alias}' compares two or more mutually exclusive classes."

    def softened(self, teacher, student) -> tuple:
        classes, least = student.shape[-1], 3 if self.standardize else 2
        if classes is not None and classes < least:
            # Z-scores of two numbers are 1 and -1, whatever the numbers are.
            of_one = "For a single output unit pass 'binary' or 'mse' as the `loss`."
            advice = of_one if classes == 1 else "Leave `standardize` out."
            raise ValueError(
                f"`{type(self).__name__}` compares {'three' if self.standardize else 'two'} or "
                f"more classes on the last axis. {advice} Received: outputs of shape "
                f"{tuple(student.shape)}, standardize={self.standardize}"
            )
        return super().softened(teacher, student)

    def logits(self, outputs, from_logits: bool):
        if not from_logits:
            outputs = ops.log(ops.maximum(outputs, _SMALLEST_PROBABILITY))
        if not self.standardize:
            return outputs
        centred = outputs - ops.mean(outputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        return centred * ops.rsqrt(ops.maximum(variance, _SMALLEST_DEVIATION**2))

    def get_config(self) -> dict:
        return {**super().get_config(), "standardize": self.standardize}


def divergence(log_p, log_q):
    """Returns the Kullback-Leibler divergence `sum(p * (log(p) - log(q)))` over the last axis."""
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
