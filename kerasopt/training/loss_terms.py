"""Terms that callbacks add to the training loss, around `Model.compute_loss`."""

import abc
import contextlib
from collections.abc import Callable, Iterator, Sequence

import keras

from kerasopt.keras_internals.training import (
    aggregated,
    compiled_losses,
    in_stateless_scope,
    unscale_loss_for_distribution,
)
from kerasopt.training.replacing import replaced
from kerasopt.training.training_values import TrainingValues


class LossTerm(abc.ABC):
    """A term that a callback adds to the loss of the training step.

    A subclass implements `added_loss`. All terms receive the model's own loss, and their results
    are summed, so the order of the callbacks does not matter.
    """

    values: TrainingValues

    @abc.abstractmethod
    def added_loss(self, x, y, y_pred, sample_weight, loss) -> tuple:
        """Computes the term, with `keras.ops`, in the compiled training step.

        Args:
            x: The batch's inputs.
            y: Its targets.
            y_pred: The model's outputs in training mode.
            sample_weight: Weights of the samples, or `None`.
            loss: The model's own loss without regularizers and `add_loss`; `None` if it is compiled
                without a loss, or the batch has no targets.

        Returns:
            The added loss, a scalar; and a dict of scalars to log, one for each of
            `self.values.names`.
        """


@contextlib.contextmanager
def added_to_loss(
    model: keras.Model, terms: Sequence[LossTerm], step_arguments: tuple, on_use: Callable[[], None]
) -> Iterator[None]:
    """Adds terms to the result of `model.compute_loss` while the body runs.

    Args:
        model: The model that trains.
        terms: The terms; without any, `compute_loss` is not changed.
        step_arguments: The arguments of the train function of this step.
        on_use: Called when the loss of a training step is computed or traced.
    """
    if not terms:
        yield
        return
    original, own = model.compute_loss, has_own_loss(model)

    def compute_loss(x=None, y=None, y_pred=None, sample_weight=None, *args, **kwargs):
        training = args[0] if args else kwargs.get("training", True)
        penalties = _penalties(model, original)
        if training and not (own and (y is not None or _is_own(original))):
            loss, data_loss = keras.ops.zeros(()) + penalties, None
        else:
            loss = original(x, y, y_pred, sample_weight, *args, **kwargs)
            data_loss = loss - penalties
        if not training:
            return loss
        on_use()
        with _readable_variables(model, terms, step_arguments):
            for term in terms:
                added, values = term.added_loss(x, y, y_pred, sample_weight, data_loss)
                loss = loss + keras.ops.cast(added, loss.dtype)
                _log(term, values, y_pred)
        return loss

    with replaced(model, "compute_loss", compute_loss):
        yield


def _log(term: LossTerm, values: dict, y_pred):
    """Logs the values as Keras logs the loss: weighted by samples, summed over replicas."""
    batch_size = keras.ops.shape(keras.tree.flatten(y_pred)[0])[0]
    values = {
        name: keras.ops.stop_gradient(unscale_loss_for_distribution(value))
        for name, value in values.items()
    }
    term.values.update_state(values, batch_size)


@contextlib.contextmanager
def _readable_variables(
    model: keras.Model, terms: Sequence[LossTerm], step_arguments: tuple
) -> Iterator[None]:
    """Lets terms read their variables if a custom JAX `train_step` calls `compute_loss`.

    Keras' own step calls it in a `StatelessScope` with the step's state. Outside of it the
    variables are empty; then the terms' variables become constants of the step, copied because the
    state is donated, and nothing can be logged.
    """
    if keras.config.backend() != "jax" or in_stateless_scope():
        yield
        return
    *_, metrics_state = step_arguments[0]
    pairs = zip(model.metrics_variables, metrics_state, strict=True)
    with keras.StatelessScope(state_mapping=[(v, keras.ops.copy(value)) for v, value in pairs]):
        yield
    for term in terms:
        term.values.hide()


def has_own_loss(model: keras.Model) -> bool:
    """Whether a model has a loss of its own."""
    return compiled_losses(model) is not None or _is_own(model.compute_loss)


def _is_own(compute_loss: Callable) -> bool:
    """Whether a method is the user's, not Keras'."""
    return getattr(compute_loss, "__func__", None) is not keras.Model.compute_loss


def _penalties(model: keras.Model, compute_loss: Callable):
    """The contribution of regularizers and `add_loss`; unknown, so 0, in a custom loss."""
    if _is_own(compute_loss):
        return 0.0
    return sum(aggregated(model, loss) for loss in model.losses)
