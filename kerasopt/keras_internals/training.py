"""The trainer: what a model is compiled with, and what `fit` keeps on it."""

from typing import Any, NamedTuple

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.losses.loss import unscale_loss_for_distribution
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator
from keras.src.trainers.compile_utils import CompileLoss, get_loss

__all__ = [
    "CompileLoss",
    "CompiledLosses",
    "LossFunctionWrapper",
    "add_metric",
    "aggregated",
    "build_for",
    "compiled_losses",
    "direction_of",
    "forget_jax_state",
    "get_loss",
    "global_seed",
    "has_metrics",
    "in_stateless_scope",
    "is_told_logits",
    "keep_jax_state",
    "keep_state_of_step",
    "remove_metric",
    "set_first_epoch",
    "set_global_seed",
    "unscale_loss_for_distribution",
]

_KINDS = ("trainable", "non_trainable", "optimizer", "metrics")
_NAMES = [f"{kind}_variables" for kind in _KINDS]


class CompiledLosses(NamedTuple):
    """What `compile` was given as `loss` and `loss_weights`."""

    losses: Any
    weights: Any


def compiled_losses(model: keras.Model) -> CompiledLosses | None:
    """Returns the losses that a model is compiled with, or `None`."""
    compiled = getattr(model, "_compile_loss", None)
    return compiled and CompiledLosses(compiled._user_loss, compiled._user_loss_weights)


def is_told_logits(loss: keras.losses.Loss) -> bool:
    """Whether a loss of Keras' is told that what it compares are logits."""
    # Not every class of Keras 3.16 keeps it as an attribute.
    told = getattr(loss, "_fn_kwargs", {}).get("from_logits", False)
    return bool(getattr(loss, "from_logits", told))


def has_metrics(model: keras.Model) -> bool:
    """Whether a model is compiled with metrics."""
    return model._compile_metrics is not None


def aggregated(model: keras.Model, loss: Any) -> Any:
    """Returns what a step adds to its loss for a regularizer's, or one of `add_loss`."""
    return model._aggregate_additional_loss(loss)


def direction_of(metric: keras.metrics.Metric) -> str | None:
    """Returns whether a metric is better `"up"` or `"down"`, or `None`."""
    return getattr(metric, "_direction", None)


def add_metric(model: keras.Model, metric: keras.metrics.Metric) -> None:
    """Makes a metric one of `model.metrics`: reset in every epoch, carried by every trainer."""
    model._metrics.append(metric)


def remove_metric(model: keras.Model, metric: keras.metrics.Metric) -> None:
    """Takes a metric off that `add_metric` has added."""
    model._metrics[:] = [each for each in model._metrics if each is not metric]


def set_first_epoch(model: keras.Model, epoch: int | None) -> None:
    """Lets the next `fit` begin at an epoch, as Keras' `BackupAndRestore` does; `None`: at 0."""
    model._initial_epoch = epoch


def build_for(model: keras.Model, batch: Any) -> None:
    """Builds a compiled model, its optimizer and its metrics for batches of data, if it can be.

    A model that cannot be called, because it has no `call` or one that fails on symbols, stays as
    it is.

    Args:
        model: The model.
        batch: What `fit` takes in a step, as values or specs that have a shape and a dtype.
    """
    if type(model).call is keras.Model.call:
        return
    try:
        model._symbolic_build(data_batch=batch)
    except RuntimeError:
        model.built = False  # to Keras it is built once it has tried


class _FirstState(dict):
    """What the variables of a model held before the first step, unless the step has used it up."""

    def get(self, name, default=None):
        values = super().get(name, default)
        return default if any(value.is_deleted() for value in values) else values


def keep_jax_state(model: keras.Model) -> None:
    """Lets `fit` find the state that it takes from the model's variables before the first step.

    On JAX `fit` empties the variables. If that step fails while it is traced or compiled, Keras
    would leave them empty, and the model would be lost.
    """
    kept = model._get_jax_state(**dict.fromkeys(_NAMES, True))
    model._jax_state = _FirstState(zip(_NAMES, kept, strict=True))


def keep_state_of_step(model: keras.Model, state: tuple) -> None:
    """As `keep_jax_state`, after a step that has failed with the state that it was called with."""
    if not any(value.is_deleted() for value in keras.tree.flatten(state)):
        model._jax_state = dict(zip(_NAMES, state, strict=True))
        model._jax_state_synced = False


def forget_jax_state(model: keras.Model) -> None:
    """Lets the variables of a model hold its state, after a step that was interrupted on JAX."""
    model._jax_state = None


def global_seed() -> list | None:
    """Returns the state of Keras' own seed generator, if there is one by now."""
    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    return None if generator is None else generator.state.numpy().tolist()


def set_global_seed(state: list) -> None:
    """Sets that state. It may create the generator, which draws from Python's `random`."""
    global_seed_generator().state.assign(state)
