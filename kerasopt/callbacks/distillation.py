"""Distillation in `fit`."""

import contextlib

import keras

from kerasopt import distillation
from kerasopt.distillation.scalar import share
from kerasopt.keras_internals.callbacks import model_of
from kerasopt.keras_internals.layers import having_weights
from kerasopt.keras_internals.training import has_metrics
from kerasopt.training.attaching import undo_on_failure
from kerasopt.training.fit_scope import FitMember, FitScope
from kerasopt.training.loss_terms import LossTerm, has_own_loss
from kerasopt.training.model_state import ModelState
from kerasopt.training.timed_callback import TimedCallback
from kerasopt.training.training_values import TrainingValues


class Distillation(FitMember, TimedCallback, LossTerm):
    """Trains the model to imitate a teacher, in addition to its own loss.

    The training loss becomes

        (1 - alpha) * hard_loss + alpha * distillation_loss + sum(weight * feature_loss)

    after Hinton et al., "Distilling the Knowledge in a Neural Network" (2015,
    https://arxiv.org/abs/1503.02531), where `hard_loss` is the loss that the model is compiled
    with; regularizers and `add_loss` keep their full weight. All parts appear in the logs of
    training, and, if the outputs are of classes, on validation data `val_agreement`, the share of
    samples for which model and teacher give the same class, and `val_teacher_kl`, the divergence
    of their probabilities. Sample weights count in all parts.

    The teacher runs in inference mode on the same batch, inside the compiled training step. It is
    not trained, counted or saved with the model. One whose outputs are cached
    (`kerasopt.distillation.cache`) does not run at all. Features are compared wherever
    `kerasopt.distillation.Features` say, without rebuilding either model; where their channels
    differ, a trained projection of the model's features is made, which is gone afterwards.

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

    features = ko.distillation.Features("hint", [("dense", "dense")], weight=10.0)
    distillation = ko.callbacks.Distillation(teacher, features=features)

    cached = ko.distillation.cache(teacher, x, "teacher_cache")  # runs the teacher once
    data = cached.dataset(x, y, batch_size=16)
    model.fit(data, epochs=10, callbacks=[ko.callbacks.Distillation(cached)])
    ```

    Args:
        teacher: A trained model that takes the same inputs as the model, and whose outputs have the
            shapes of the model's distilled outputs. Or the path of a SavedModel, `.tflite` or
            `.onnx` file; a cache; a `kerasopt.distillation.ModelTeacher`, which has preprocessing
            of its own; a `kerasopt.distillation.SelfTeacher`, which is the model's own past; or a
            list of these, which share the distillation loss.
        temperature: Softens the probabilities; a positive number, or a
            `kerasopt.schedules.Schedule` of them. `None`: that of the loss. Only for losses of
            classes given by their alias.
        alpha: Share of the distillation loss, a number in `[0, 1]`, or a schedule.
        loss: An alias of `kerasopt.distillation` such as `"kl_divergence"`, for classes; the name
            of a Keras loss that compares values, such as `"mse"`; a `keras.losses.Loss` or a
            function, called with the outputs of the teacher and of the model; or a dict or list of
            these, one for each output, by name or position. A single one applies to all outputs
            that the model is compiled with a loss for.
        from_logits: Whether the outputs of both models are logits, not probabilities. `None`: taken
            from the losses that they are compiled with; if only one is compiled, its setting
            applies to both. Only for losses given by their alias.
        features: A `kerasopt.distillation.Features`, the alias of a loss of features, which
            compares images of equal size, or a list of these. Of one teacher.
        teacher_weights: How several teachers share the loss: `"mean"`, or `"confidence"`, by how
            sure each is of a sample's label.
        name: The distillation loss is logged as `{name}_loss`; other values have the name before
            them unless it is the default.

    Raises:
        TypeError: If `teacher` is none of these.
        ValueError: If an argument is out of range or the teacher is not built; before the first
            step, if the teacher is the model itself or consists of its weights, does not take its
            inputs, lacks an output, does not compute the same twice or gives NaN; if `loss` does
            not fit the outputs, a tap does not match one layer, or features cannot be compared; if
            it is unknown whether outputs are logits; or if the model has no loss of its own and
            `alpha` is less than 1. In training, if a teacher gives NaN or infinite outputs, of
            which the model learns nothing.
    """

    shared = ("teacher",)
    run: distillation.DistillationRun

    def __init__(
        self,
        teacher,
        temperature=None,
        alpha=0.7,
        loss="kl_divergence",
        from_logits: bool | None = None,
        features=None,
        teacher_weights: str = "mean",
        name: str = "distillation",
    ):
        super().__init__()
        self._alpha = share(alpha, "alpha")
        self._teachers = distillation.as_teachers(teacher)
        self._imitation = distillation.Imitation(
            self._teachers, loss, temperature, from_logits, teacher_weights
        )
        self.alpha = alpha
        self.name = name
        self.teacher = teacher
        self.features = distillation.as_features(features)
        if self.features and len(self._teachers) > 1:
            raise ValueError(
                "Features are compared with those of one teacher: use a callback of its own for "
                f"each. Received: {len(self._teachers)} teachers, and features"
            )

    def make_run(self) -> distillation.DistillationRun:
        parts = [*self.features, *(each.loss for each in self.features)]
        scalars = [scalar for part in parts for scalar in distillation.scalars_of(part)]
        scalars += [self._alpha, *self._imitation.scalars]
        return distillation.DistillationRun(self._teachers, self.features, scalars, self.name)

    def set_model(self, model: keras.Model):
        super().set_model(model)
        with undo_on_failure(model):
            self._imitation.begin(model)

    def on_train_begin(self, logs=None):
        with undo_on_failure(model_of(self)):
            self._check_others()
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs=None):
        if not has_own_loss(model_of(self)):
            self._check_alone("The model is compiled without a loss")
        for teacher in self._teachers:
            teacher.on_epoch_begin(epoch)
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs=None):
        super().on_train_batch_end(batch, logs)
        if batch == 0:
            self.run.require_usable(self.model)

    def on_epoch_end(self, epoch: int, logs=None):
        super().on_epoch_end(epoch, logs)
        model = self.model
        self.run.require_usable(model)
        for teacher in self._teachers:
            teacher.on_epoch_end(model, logs)

    def make_values(self, model: keras.Model) -> TrainingValues:
        names = ("hard_loss",) if has_own_loss(model) else ()
        terms = [self._logged(each) for each in self.run.comparisons]
        carried = [v for teacher in self._teachers for v in teacher.variables_beside(model)]
        names = (*names, f"{self.name}_loss", *terms)
        return TrainingValues(names, carried=[*carried, *self.run.bind()])

    def make_test_values(self) -> TrainingValues:
        return TrainingValues(map(self._prefixed, distillation.AGREEMENT))

    def wrapped_step(self, step):
        for teacher in self._teachers:
            step = teacher.wrapped_step(step)
        return step

    def interrupted(self):
        for teacher in self._teachers:
            teacher.end()

    def abandoned(self):
        self.run.detach()

    def tested(self, x, y, y_pred) -> dict | None:
        teacher = self._teachers[0]
        if not teacher.is_given:
            return None
        outputs, _ = teacher.read(x)
        found = self._imitation.agreement(model_of(self), outputs, y_pred)
        names = map(self._prefixed, distillation.AGREEMENT)
        return found and dict(zip(names, found, strict=True))

    @contextlib.contextmanager
    def around_step(self, model: keras.Model):
        with contextlib.ExitStack() as stack:
            for comparison in self.run.comparisons:
                stack.enter_context(comparison.ours.reading())
            if keras.config.backend() == "tensorflow":
                # Its step trains `weights`; those of projections are none outside of it.
                stack.enter_context(having_weights(model, ModelState.trained(model)))
            yield

    def added_loss(self, x, y, y_pred, sample_weight, loss) -> tuple:
        self._check_batch(x, y, loss)
        comparisons = self.run.comparisons
        ours = [comparison.ours.take() for comparison in comparisons]
        places = [place for comparison in comparisons for place in comparison.theirs]
        given = [each.read(x, places) for each in self._teachers]
        for comparison in comparisons:  # of layers that a teacher shares with the model
            comparison.ours.take_all()
        read, are_finite = zip(*map(distillation.finite, given), strict=True)
        outputs, features = zip(*read, strict=True)
        self.run.count_finite(are_finite)
        added, values = self._of_outputs(outputs, are_finite, y, y_pred, sample_weight, loss)
        taught = iter(features[0])
        weights = distillation.weights_of_finite(sample_weight, are_finite[0])
        for comparison, mine in zip(comparisons, ours, strict=True):
            theirs = [next(taught) for _ in comparison.theirs]
            term = comparison(theirs, mine, weights)
            added += comparison.weight.value * term
            values[self._logged(comparison)] = term
        return added, values

    def _logged(self, comparison) -> str:
        """The name of a term in the logs."""
        terms = [each.loss.name for each in self.run.comparisons]
        place, name = self.run.comparisons.index(comparison), comparison.loss.name
        return self._prefixed(f"{name}_loss") + (f"_{place}" if terms.count(name) > 1 else "")

    def _prefixed(self, name: str) -> str:
        return name if self.name == "distillation" else f"{self.name}_{name}"

    def _check_batch(self, x, y, loss):
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

    def _of_outputs(self, outputs, are_finite, y, y_pred, sample_weight, loss) -> tuple:
        model, targets = model_of(self), (y, y_pred, sample_weight)
        distilled = self._imitation.loss(model, outputs, are_finite, *targets)
        self.run.count_labels(self._imitation.unusable_labels(outputs, y, y_pred))
        alpha = self._alpha.value * self._teachers[0].readiness
        if loss is None:
            return alpha * distilled, {"hard_loss": 0.0, f"{self.name}_loss": distilled}
        hard = self._imitation.hard_loss(model, *targets, loss)
        values = {"hard_loss": loss, f"{self.name}_loss": distilled}
        return alpha * (distilled - keras.ops.cast(hard, distilled.dtype)), values

    def _others(self) -> list["Distillation"]:
        """All `Distillation` callbacks of the `fit`, including this one."""
        scope = FitScope.of(model_of(self))
        members = {*(scope.members if scope is not None else ()), self}
        return [member for member in members if isinstance(member, Distillation)]

    def _check_others(self):
        """Several teachers share one hard loss."""
        members = self._others()
        names, alphas = [m.name for m in members], [m.alpha for m in members]
        if (
            len(set(names)) < len(names)
            or max(self._shares("largest").values(), default=0) > 1 + 1e-6
        ):
            raise ValueError(
                "Several `Distillation` callbacks in one `fit` need different names, and for each "
                "output shares `alpha` that add up to at most 1. "
                f"Received: name={names}, alpha={alphas}"
            )

    def _check_alone(self, reason: str):
        """Raises if `alpha` leaves a share for the model's own loss, but it has none."""
        if any(share < 1 - 1e-6 for share in self._shares("smallest").values()):
            raise ValueError(
                f"{reason}, so the share 1 - alpha has no loss to apply to: pass `alpha=1.0`, or "
                f"compile with a loss and pass targets. Received: alpha={self.alpha}"
            )

    def _shares(self, extreme: str) -> dict:
        """The largest or smallest share of all callbacks, by the position of an output.

        The position is `None` if it is not known yet.
        """
        shares: dict = {}
        for member in self._others():
            for place in member._imitation.places():
                shares[place] = shares.get(place, 0.0) + getattr(member._alpha, extreme)
        return shares
