"""Distillation in `fit`."""

import keras

from kerasopt import distillation
from kerasopt.callbacks.fit_scope import FitMember, FitScope
from kerasopt.callbacks.loss_terms import LossTerm
from kerasopt.callbacks.timed import require_backend, undo_on_failure
from kerasopt.callbacks.training_values import TrainingValues


class Distillation(FitMember, LossTerm):
    """Trains the model to imitate a teacher, beside its own loss.

    The training loss becomes

        (1 - alpha) * hard_loss + alpha * distillation_loss

    after Hinton et al., "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531), where `hard_loss` is the loss that the model is compiled
    with; regularizers and `add_loss` keep their full weight. Both parts appear in the logs of
    training. Sample weights count in both.

    The teacher runs in inference mode on the same batch, inside the compiled training step. It is
    not trained, counted or saved with the model, and `evaluate` does not run it. Several teachers,
    in several callbacks, take their shares of the same hard loss.

    A `train_step` of the model's own must call `self.compute_loss` with the batch's `x`. On JAX
    the teacher's weights are away from its variables during an epoch, as the model's own are;
    `callback.model` brings both back.

    ```python
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    distillation = ko.callbacks.Distillation(teacher, temperature=4.0, alpha=0.7)
    model.fit(x, y, epochs=10, callbacks=[distillation])
    ```

    Args:
        teacher: A trained model whose outputs have the shapes of the model's.
        temperature: Softens the probabilities; a positive float. `None`: 4.0. Only for a `loss`
            given by its name.
        alpha: Share of the distillation loss, a float in `[0, 1]`.
        loss: `"kl_divergence"`, or a `keras.losses.Loss` that is called with the outputs of the
            teacher and of the model.
        from_logits: Whether the outputs of both are logits, not probabilities. `None`: as the
            losses say that they are compiled with; a teacher that is not compiled is taken to be
            like the model. Only for a `loss` given by its name.
        name: The distillation loss is logged as `{name}_loss`.

    Raises:
        ValueError: If an argument is out of range; at the beginning of training, if the teacher is
            the model itself, its output shapes differ, or it is unknown whether outputs are logits.
    """

    def __init__(
        self,
        teacher: keras.Model,
        temperature: float | None = None,
        alpha: float = 0.7,
        loss: str | keras.losses.Loss = "kl_divergence",
        from_logits: bool | None = None,
        name: str = "distillation",
    ):
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(
                "`alpha` is the share of the distillation loss, a number in [0, 1]. "
                f"Received: alpha={alpha!r}"
            )
        if not isinstance(loss, str) and (temperature is not None or from_logits is not None):
            raise ValueError(
                "`temperature` and `from_logits` are for a `loss` given by its name; a loss object "
                f"has its own. Received: loss={loss!r}, temperature={temperature!r}, "
                f"from_logits={from_logits!r}"
            )
        self.alpha = float(alpha)
        self.name = name
        self.teacher = teacher
        self._teacher = distillation.Teacher(teacher)
        self._temperature = 4.0 if temperature is None else temperature
        self._from_logits = from_logits
        self._identifier = loss
        self.loss = self._make_loss(student_is_logits=True, teacher_is_logits=True)

    def set_model(self, model: keras.Model):
        super().set_model(model)
        with undo_on_failure(model):
            require_backend()
            self._teacher.check_student(model)
            if isinstance(self._identifier, str):
                self.loss = self._make_loss(*self._output_kinds(model))

    def on_train_begin(self, logs=None):
        with undo_on_failure(self._model):
            self._check_others()
        super().on_train_begin(logs)

    def make_values(self, model: keras.Model) -> TrainingValues:
        names = ("hard_loss", f"{self.name}_loss")
        return TrainingValues(names, carried=self._teacher.variables_beside(model))

    def added_loss(self, x, y, y_pred, sample_weight, loss) -> tuple:
        if x is None:
            raise ValueError(
                "`Distillation` runs the teacher on the batch: the model's `train_step` must pass "
                "its inputs, `self.compute_loss(x=x, y=y, y_pred=y_pred)`. Received: x=None"
            )
        outputs = self._teacher(x)
        self._teacher.check_outputs(outputs, y_pred)
        flat = keras.tree.flatten(y_pred)
        weights = keras.tree.flatten(sample_weight)
        weights = weights * len(flat) if len(weights) == 1 else weights
        parts = zip(keras.tree.flatten(outputs), flat, weights, strict=True)
        distilled = keras.ops.sum(keras.ops.stack([self.loss(*part) for part in parts]))
        values = {"hard_loss": loss, f"{self.name}_loss": distilled}
        return self.alpha * (distilled - keras.ops.cast(loss, distilled.dtype)), values

    def _make_loss(self, student_is_logits: bool, teacher_is_logits: bool) -> keras.losses.Loss:
        if not isinstance(self._identifier, str):
            return distillation.get(self._identifier)
        return distillation.get(
            self._identifier,
            temperature=self._temperature,
            from_logits=student_is_logits,
            teacher_from_logits=teacher_is_logits,
        )

    def _output_kinds(self, model: keras.Model) -> tuple[bool, bool]:
        """Whether the outputs of model and teacher are logits."""
        if self._from_logits is not None:
            return self._from_logits, self._from_logits
        student = distillation.outputs_are_logits(model)
        if student is None:
            raise ValueError(
                "The loss that the model is compiled with does not tell whether its outputs are "
                "logits or class probabilities; pass `from_logits` to `Distillation`. "
                f"Received: loss={model.loss!r}"
            )
        teacher = distillation.outputs_are_logits(self.teacher)
        return student, student if teacher is None else teacher

    def _check_others(self):
        """Several teachers share one hard loss."""
        scope = FitScope.of(self._model)
        members = {*(scope.members if scope is not None else ()), self}
        members = [member for member in members if isinstance(member, Distillation)]
        names, alphas = [m.name for m in members], [m.alpha for m in members]
        if len(set(names)) < len(names) or sum(alphas) > 1 + 1e-6:
            raise ValueError(
                "Several `Distillation` callbacks in one `fit` need different names, and shares "
                f"`alpha` that add up to at most 1. Received: name={names}, alpha={alphas}"
            )
