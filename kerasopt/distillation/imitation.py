"""What a model imitates: the outputs of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasopt import graph
from kerasopt.distillation.agreement import agreement
from kerasopt.distillation.lessons import Lesson, losses_in, make_lessons
from kerasopt.distillation.outputs import outputs_of
from kerasopt.distillation.own_loss import own_loss
from kerasopt.distillation.scalar import Scalar, positive, scalars_of
from kerasopt.distillation.teachers import Teacher
from kerasopt.distillation.weighting import for_each_output, times, weights_of

_TEACHER_WEIGHTS = ("mean", "confidence")


class Imitation:
    """The losses between the outputs of a model and those of its teachers.

    Args:
        teachers: List of `Teacher`.
        loss: As in `kerasopt.callbacks.Distillation`.
        temperature: As there.
        from_logits: As there.
        teacher_weights: As there.

    Attributes:
        lessons: For each teacher the list of its `Lesson`s; `None` if they are not known yet.
        scalars: List of the numbers that may follow a schedule.

    Raises:
        ValueError: If an argument is unknown or does not apply to the loss.
    """

    lessons: list[list[Lesson]] | None = None

    def __init__(
        self,
        teachers: Sequence[Teacher],
        loss: Any,
        temperature: Any,
        from_logits: bool | None,
        teacher_weights: str,
    ):
        losses = losses_in(loss)
        options = {"temperature": temperature, "from_logits": from_logits}
        if options != dict.fromkeys(options) and not any(isinstance(x, type) for x in losses):
            raise ValueError(
                "`temperature` and `from_logits` apply to losses of classes by their alias, such "
                "as 'kl_divergence'. Leave them out, or pass them to the loss itself. Received: "
                f"loss={loss!r}, temperature={temperature!r}, from_logits={from_logits!r}"
            )
        if teacher_weights not in _TEACHER_WEIGHTS:
            raise ValueError(
                f"`teacher_weights` must be one of {list(_TEACHER_WEIGHTS)}. Received: "
                f"teacher_weights={teacher_weights!r}"
            )
        self.scalars: list[Scalar] = [
            scalar for each in losses if not isinstance(each, type) for scalar in scalars_of(each)
        ]
        if temperature is not None:
            options["temperature"] = positive(temperature, "temperature")
            self.scalars.append(options["temperature"])
        self._teachers, self._loss, self._weights = teachers, loss, teacher_weights
        self._options = {name: value for name, value in options.items() if value is not None}

    def begin(self, model: keras.Model) -> None:
        """Makes the lessons before a training, if the outputs of all models are known."""
        self.lessons = None
        student = graph.functional_of(model)
        taught = [teacher.known_outputs for teacher in self._teachers]
        if student is not None and not any(each is None for each in taught):
            self.lessons = self._lessons_of(model, student.output, taught)

    def places(self) -> list[int | None]:
        """Returns the positions of the distilled outputs; `None` stands for what is not known."""
        return [None] if self.lessons is None else [each.place for each in self.lessons[0]]

    def loss(
        self,
        model: keras.Model,
        outputs: Sequence[Any],
        are_finite: Sequence[Any],
        y: Any,
        y_pred: Any,
        sample_weight: Any,
    ) -> Any:
        """Returns the loss of all outputs, a float32 scalar.

        Args:
            model: The model that trains.
            outputs: The outputs of each teacher.
            are_finite: For each teacher a tensor of ones and zeros: which samples count.
            y: Targets, as passed to `fit`, or `None`.
            y_pred: The outputs of the model.
            sample_weight: Weights of the samples, or `None`.
        """
        lessons = self.lessons = self._lessons_of(model, y_pred, outputs)
        shares = weights_of(self._weights, lessons, outputs, y, y_pred)
        student = keras.tree.flatten(y_pred)
        given, labels = (for_each_output(x, len(student)) for x in (sample_weight, y))
        total = ops.zeros(())
        for taught, learned, weights, counts in zip(
            outputs, lessons, shares, are_finite, strict=True
        ):
            flat = keras.tree.flatten(taught)
            for lesson, weight in zip(learned, weights, strict=True):
                place, teacher = lesson.place, flat[lesson.teacher_place]
                if getattr(lesson.loss, "uses_labels", False) and labels[place] is not None:
                    teacher = (teacher, labels[place])
                scaled = times(given[place], weight * counts, student[place])
                total += lesson.loss(teacher, student[place], scaled) * lesson.output.weight
        return total

    def unusable_labels(self, outputs: Sequence[Any], y: Any, y_pred: Any) -> Any:
        """Returns how many labels name no class, for losses that read them; 0 if none does.

        The arguments are those of `loss`, which is called before.
        """
        labels = for_each_output(y, len(keras.tree.flatten(y_pred)))
        taught = keras.tree.flatten(outputs[0])
        return sum(
            lesson.loss.unusable(labels[lesson.place], taught[lesson.teacher_place])
            for lesson in (self.lessons or [[]])[0]
            if hasattr(lesson.loss, "unusable") and labels[lesson.place] is not None
        )

    def hard_loss(
        self, model: keras.Model, y: Any, y_pred: Any, sample_weight: Any, loss: Any
    ) -> Any:
        """Returns the model's own loss of the distilled outputs; others keep theirs in full."""
        student = outputs_of(model, y_pred)
        own = [place for place, output in enumerate(student) if output.loss is not None]
        learning = self.places()
        if set(own) <= set(learning):
            return loss
        places = [place for place in own if place in learning]
        return own_loss(student, places, y, y_pred, sample_weight)

    def agreement(self, model: keras.Model, outputs: Any, y_pred: Any) -> tuple[Any, Any] | None:
        """Returns how far the first distilled output agrees with that of the first teacher."""
        (lesson, *_), *_ = self._lessons_of(model, y_pred, [outputs])
        return agreement(lesson, outputs, y_pred)

    def _lessons_of(
        self, model: keras.Model, outputs: Any, taught: Sequence[Any]
    ) -> list[list[Lesson]]:
        return [
            make_lessons(model, outputs, teacher, each, self._loss, **self._options)
            for teacher, each in zip(self._teachers, taught, strict=False)
        ]
