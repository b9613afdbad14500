"""Distillation in `fit`."""

from typing import Any

import keras

from kerasopt import distillation, graph
from kerasopt.keras_internals.callbacks import model_of
from kerasopt.keras_internals.training import has_metrics
from kerasopt.training.attaching import require_backend, undo_on_failure
from kerasopt.training.fit_scope import FitMember, FitScope
from kerasopt.training.loss_terms import LossTerm, has_own_loss
from kerasopt.training.training_values import TrainingValues


class Distillation(FitMember, LossTerm):
    """Trains the model to imitate a teacher, in addition to its own loss.

    The training loss becomes

        (1 - alpha) * hard_loss + alpha * distillation_loss

    after Hinton et al., "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531), where `hard_loss` is the loss that the model is compiled
    with; regularizers and `add_loss` keep their full weight. Both parts appear in the logs of
    training. Sample weights count in both.

    The teacher runs in inference mode on the same batch, inside the compiled training step. It is
    not trained, counted or saved with the model, and `evaluate` does not run it. For several
    teachers, use several callbacks: they share one hard loss.

    A custom `train_step` must call `self.compute_loss` with the batch's `x`. On JAX the variables
    of the teacher, like those of the model, are not up to date during an epoch; reading
    `callback.model` updates both.

    Each output has its own distillation loss. With several outputs, `loss` may name a loss for
    each; an output with `None` trains without the teacher. The `loss_weights` that the model is
    compiled with apply to both losses of an output. A teacher may have further outputs if outputs
    have names.

    A model that is compiled without a loss, or whose data has no targets, learns from the teacher
    alone: pass `alpha=1.0`. (On JAX, Keras requires targets if there is a loss, and a loss if there
    is validation data.)

    ```python
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    distillation = ko.callbacks.Distillation(teacher, temperature=4.0, alpha=0.7)
    model.fit(x, y, epochs=10, callbacks=[distillation])

    losses = {"class": "kl_divergence", "box": "mse", "mask": None}  # by the names of the outputs
    distillation = ko.callbacks.Distillation(teacher, loss=losses)
    ```

    Args:
        teacher: A trained model that takes the same inputs as the model. Its outputs have the
            shapes of the model's distilled outputs.
        temperature: Softens the probabilities; a positive float. `None`: 4.0. Only for
            `"kl_divergence"`.
        alpha: Share of the distillation loss, a float in `[0, 1]`.
        loss: `"kl_divergence"`, for classes; the name of a Keras loss that compares values, such as
            `"mse"`; a `keras.losses.Loss` or a function, called with the outputs of the teacher and
            of the model; or a dict or list of these, one for each output, by name or position. A
            single one applies to all outputs that the model is compiled with a loss for.
        from_logits: Whether the outputs of both models are logits, not probabilities. `None`: taken
            from the losses that they are compiled with; if only one is compiled, its setting
            applies to both. Only for `"kl_divergence"`.
        name: The distillation loss is logged as `{name}_loss`.

    Raises:
        TypeError: If `teacher` is not a model.
        ValueError: If an argument is out of range or the teacher is not built; before the first
            step, if the teacher is the model itself or consists of its weights, does not take its
            inputs or lacks an output; if `loss` does not fit the outputs, or an output has no
            classes for `"kl_divergence"`; if it is unknown whether outputs are logits; or if the
            model has no loss of its own and `alpha` is less than 1.
    """

    shared = ("teacher",)

    def __init__(
        self,
        teacher: keras.Model,
        temperature: float | None = None,
        alpha: float = 0.7,
        loss="kl_divergence",
        from_logits: bool | None = None,
        name: str = "distillation",
    ):
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(
                "`alpha` is the share of the distillation loss, a number in [0, 1]. "
                f"Received: alpha={alpha!r}"
            )
        options = {"temperature": temperature, "from_logits": from_logits}
        self._options: dict[str, Any] = {
            key: value for key, value in options.items() if value is not None
        }
        if not distillation.check_losses(loss) and self._options:
            raise ValueError(
                "`temperature` and `from_logits` apply to 'kl_divergence' only. Leave them out, or "
                f"pass them to the loss itself. Received: loss={loss!r}, "
                f"temperature={temperature!r}, from_logits={from_logits!r}"
            )
        distillation.KLDivergence(**self._options)  # raises if the temperature is out of range
        self.alpha = float(alpha)
        self.name = name
        self.teacher = teacher
        self.loss = loss
        self._teacher = distillation.Teacher(teacher)
        self._lessons: list[distillation.Lesson] | None = None

    def set_model(self, model: keras.Model):
        super().set_model(model)
        with undo_on_failure(model):
            require_backend()
            self._teacher.check_student(model)
            self._lessons = None
            student, teacher = graph.functional_of(model), graph.functional_of(self.teacher)
            if student is not None and teacher is not None:
                self._lessons = self._learned(student.output, teacher.output)

    def on_train_begin(self, logs=None):
        with undo_on_failure(model_of(self)):
            self._check_others()
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs=None):
        if not has_own_loss(model_of(self)):
            self._check_alone("The model is compiled without a loss")

    def make_values(self, model: keras.Model) -> TrainingValues:
        names = ("hard_loss",) if has_own_loss(model) else ()
        carried = self._teacher.variables_beside(model)
        return TrainingValues((*names, f"{self.name}_loss"), carried=carried)

    def added_loss(self, x, y, y_pred, sample_weight, loss) -> tuple:
        if x is None:
            raise ValueError(
                "`Distillation` runs the teacher on the inputs of the batch: the model's "
                "`train_step` must pass them, `self.compute_loss(x=x, y=y, y_pred=y_pred)`. "
                "Received: x=None"
            )
        if loss is None:
            self._check_alone("The data has no targets")
        if y is None and has_metrics(model_of(self)):
            raise ValueError(
                "The data has no targets, so the metrics that the model is compiled with cannot be "
                "computed: compile it without metrics. Received: y=None, "
                f"model={model_of(self).name}"
            )
        outputs = self._teacher(x)
        lessons = self._lessons = self._learned(y_pred, outputs)
        taught, flat = keras.tree.flatten(outputs), keras.tree.flatten(y_pred)
        weights = keras.tree.flatten(sample_weight)
        weights = weights * len(flat) if len(weights) == 1 else weights
        distilled = sum(
            lesson.loss(taught[lesson.teacher_place], flat[lesson.place], weights[lesson.place])
            * lesson.output.weight
            for lesson in lessons
        )
        if loss is None:
            return self.alpha * distilled, {"hard_loss": 0.0, f"{self.name}_loss": distilled}
        hard = self._loss_of(lessons, y, y_pred, sample_weight, loss)
        values = {"hard_loss": loss, f"{self.name}_loss": distilled}
        return self.alpha * (distilled - keras.ops.cast(hard, distilled.dtype)), values

    def _learned(self, outputs, teacher_outputs):
        models = model_of(self), outputs, self.teacher, teacher_outputs
        return distillation.make_lessons(*models, self.loss, **self._options)

    def _loss_of(self, lessons, y, y_pred, sample_weight, loss):
        """The model's own loss of the distilled outputs; other outputs keep theirs in full."""
        student = distillation.outputs_of(model_of(self), y_pred)
        own = [place for place, output in enumerate(student) if output.loss is not None]
        learning = [lesson.place for lesson in lessons]
        if set(own) <= set(learning):
            return loss
        places = [place for place in own if place in learning]
        return distillation.own_loss(student, places, y, y_pred, sample_weight)

    def _others(self) -> list["Distillation"]:
        """All `Distillation` callbacks of the `fit`, including this one."""
        scope = FitScope.of(model_of(self))
        members = {*(scope.members if scope is not None else ()), self}
        return [member for member in members if isinstance(member, Distillation)]

    def _check_others(self):
        """Several teachers share one hard loss."""
        members = self._others()
        names, alphas = [m.name for m in members], [m.alpha for m in members]
        if len(set(names)) < len(names) or max(self._shares().values(), default=0) > 1 + 1e-6:
            raise ValueError(
                "Several `Distillation` callbacks in one `fit` need different names, and for each "
                "output shares `alpha` that add up to at most 1. "
                f"Received: name={names}, alpha={alphas}"
            )

    def _check_alone(self, reason: str):
        """Raises if `alpha` leaves a share for the model's own loss, but it has none."""
        if any(share < 1 - 1e-6 for share in self._shares().values()):
            raise ValueError(
                f"{reason}, so the share 1 - alpha has no loss to apply to: pass `alpha=1.0`, or "
                f"compile with a loss and pass targets. Received: alpha={self.alpha}"
            )

    def _shares(self) -> dict:
        """The share of all teachers, by the position of an output (`None`: not known yet)."""
        shares: dict = {}
        for member in self._others():
            lessons = member._lessons
            for place in [None] if lessons is None else [lesson.place for lesson in lessons]:
                shares[place] = shares.get(place, 0.0) + member.alpha
        return shares
