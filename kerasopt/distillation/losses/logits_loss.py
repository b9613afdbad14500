"""The base class of losses between logits."""

from typing import Any, ClassVar

import keras

from kerasopt.distillation.outputs import Kind, Output, takes_logits
from kerasopt.distillation.scalar import positive, scalars_of


class LogitsLoss(keras.losses.Loss):
    """A loss between the logits of a teacher and of a student: the base class of such losses.

    Outputs are cast to float32, probabilities become logits, and both are divided by the
    temperature. A subclass overrides `call` and `logits`.

    Args:
        temperature: A positive number, or a `kerasopt.schedules.Schedule` of them.
        from_logits: Whether the student's outputs are logits, not probabilities.
        teacher_from_logits: The same for the teacher's outputs. `None`: as for the student.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss. `None`: the alias.

    Attributes:
        alias: Its name in the argument `loss`.
        uses_labels: Whether `y_true` is a tuple of the teacher's outputs and the labels, if there
            are any.
        kinds: The kinds of outputs that it compares.
        options: The arguments that `for_output` passes on.

    Raises:
        ValueError: If `temperature` is not positive.
    """

    alias: ClassVar[str]
    uses_labels: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        temperature: Any = 4.0,
        from_logits: bool = True,
        teacher_from_logits: bool | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ):
        super().__init__(name=name or self.alias, reduction=reduction, dtype="float32")
        self.temperature = positive(temperature, "temperature")
        self.from_logits = from_logits
        self.teacher_from_logits = (
            from_logits if teacher_from_logits is None else teacher_from_logits
        )

    @classmethod
    def for_output(
        cls, output: Output, teacher: Output, from_logits: bool | None = None, **options
    ) -> "LogitsLoss":
        """Returns the loss for one output of a model and its teacher.

        Args:
            output: The `Output` of the model.
            teacher: The `Output` of the teacher; unknown properties of one are taken from the
                other.
            from_logits: Whether both are logits; `None`: derived from the outputs.
            **options: Arguments of the class, such as `temperature`.

        Raises:
            ValueError: If the loss does not suit the output or has no such argument, or it is
                unknown whether the output has logits.
        """
        for option, value in options.items():
            if option not in cls.options:
                raise ValueError(
                    f"`{option}` does not apply to '{cls.alias}': leave it out. Received: "
                    f"{option}={value!r}."
                )
        if reason := cls.unsuited(output):
            raise ValueError(
                f"{output} has {reason} If it does have such, pass a `{cls.__name__}` for it."
            )
        if from_logits is not None:
            return cls(from_logits=from_logits, **options)
        known = [takes_logits(each.loss) for each in (output, teacher) if each.kind in cls.kinds]
        told = [each for each in known if each is not None]
        if not told:
            raise ValueError(
                f"{output} may be logits or probabilities: the compiled loss does not tell. "
                "Pass `from_logits` to `Distillation`."
            )
        return cls(from_logits=told[0], teacher_from_logits=told[-1], **options)

    @classmethod
    def unsuited(cls, output: Output) -> str:
        """Returns why an output cannot be compared, empty if it can: a part of a sentence."""
        return ""

    def softened(self, teacher, student) -> tuple:
        """Returns the logits of both, divided by the temperature."""
        pairs = (teacher, self.teacher_from_logits), (student, self.from_logits)
        if len(teacher.shape) != len(student.shape) or teacher.shape[-1] != student.shape[-1]:
            raise ValueError(
                f"`{type(self).__name__}` compares outputs of one shape. Received: those of the "
                f"teacher of shape {tuple(teacher.shape)}, of the student {tuple(student.shape)}"
            )
        return tuple(self.logits(*pair) / self.temperature.value for pair in pairs)

    def logits(self, outputs, from_logits: bool):
        """Returns the logits of outputs: those, or the ones of probabilities."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "teacher_from_logits": self.teacher_from_logits,
            **{scalar.name: scalar.config() for scalar in scalars_of(self)},
        }
