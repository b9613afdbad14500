"""The trainer: the compiled losses and metrics of a model, and the state of `fit`."""

from typing import Any, NamedTuple

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.backend.common.stateless_scope import in_stateless_scope
from keras.src.losses.loss import reduce_weighted_values, unscale_loss_for_distribution
from keras.src.losses.losses import LossFunctionWrapper
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator
from keras.src.trainers.compile_utils import CompileLoss, get_loss

from kerasopt.keras_internals.graphs import functional_in

__all__ = [
    "CompileLoss",
    "CompiledLosses",
    "LossFunctionWrapper",
    "add_metric",
    "aggregated",
    "build_for",
    "build_metrics",
    "compiled_losses",
    "direction_of",
    "forget_jax_state",
    "get_loss",
    "global_seed",
    "has_metrics",
    "has_unbuilt_metrics",
    "in_stateless_scope",
    "is_told_logits",
    "keep_jax_state",
    "keep_state_of_step",
    "reduce_weighted_values",
    "remove_metric",
    "set_first_epoch",
    "set_global_seed",
    "unscale_loss_for_distribution",
]

_KINDS = ("trainable", "non_trainable", "optimizer", "metrics")
_NAMES = [f"{kind}_variables" for kind in _KINDS]


class CompiledLosses(NamedTuple):
    """The arguments `loss` and `loss_weights` of `compile`."""

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


def has_unbuilt_metrics(model: keras.Model) -> bool:
    """Whether the first step of a model will create the variables of its metrics."""
    own = getattr(model.compute_metrics, "__func__", None) is not keras.Model.compute_metrics
    return has_metrics(model) and not own and not model._compile_metrics.built


def build_metrics(model: keras.Model, batch: Any) -> None:
    """Creates the metrics that a functional model is compiled with, as its first step would.

    Which metric `"accuracy"` is follows from shapes. A model whose outputs are not known before it
    runs is left alone.

    Args:
        model: The model.
        batch: The specs of a batch of `fit`.
    """
    _, targets, _ = keras.utils.unpack_x_y_sample_weight(batch)
    outputs = getattr(functional_in(model) or model, "_outputs_struct", None)
    if all(map(_has_rank, keras.tree.flatten(targets))) and all(
        _has_rank(output) and output.shape[-1:] != (None,) for output in keras.tree.flatten(outputs)
    ):
        model._compile_metrics.build(targets, outputs)


def _has_rank(spec: Any) -> bool:
    return spec is not None and getattr(spec.shape, "rank", 0) is not None


def aggregated(model: keras.Model, loss: Any) -> Any:
    """Returns the contribution to the loss of a step by a regularizer or by `add_loss`."""
    return model._aggregate_additional_loss(loss)


def direction_of(metric: keras.metrics.Metric) -> str | None:
    """Returns the better direction of a metric, `"up"` or `"down"`, or `None`."""
    return getattr(metric, "_direction", None)


def add_metric(model: keras.Model, metric: keras.metrics.Metric) -> None:
    """Adds a metric to `model.metrics`: reset in every epoch, handled by every trainer."""
    model._metrics.append(metric)


def remove_metric(model: keras.Model, metric: keras.metrics.Metric) -> None:
    """Removes a metric that `add_metric` has added."""
    model._metrics[:] = [each for each in model._metrics if each is not metric]


def set_first_epoch(model: keras.Model, epoch: int | None) -> None:
    """Sets the first epoch of the next `fit`, as Keras' `BackupAndRestore` does; `None`: 0."""
    model._initial_epoch = epoch


def build_for(model: keras.Model, batch: Any) -> None:
    """Builds a compiled model, its optimizer and its metrics for batches of data, if possible.

    A model without a `call`, or whose `call` fails on symbolic tensors, is not changed.

    Args:
        model: The model.
        batch: A batch of `fit`, as values or specs with a shape and a dtype.
    """
    if type(model).call is keras.Model.call:
        return
    try:
        model._symbolic_build(data_batch=batch)
    except RuntimeError:
        model.built = False  # Keras marks it as built even if that failed


class _FirstState(dict):
    """The values of a model's variables before the first step, unless the step consumed them."""

    def get(self, name, default=None):
        values = super().get(name, default)
        return default if any(value.is_deleted() for value in values) else values


def keep_jax_state(model: keras.Model) -> None:
    """Keeps the state that `fit` takes from the model's variables, until the first step is done.

    On JAX `fit` empties the variables. If the first step fails while it is traced or compiled,
    Keras would leave them empty, and the model would be lost.
    """
    kept = model._get_jax_state(**dict.fromkeys(_NAMES, True))
    model._jax_state = _FirstState(zip(_NAMES, kept, strict=True))


def keep_state_of_step(model: keras.Model, state: tuple) -> None:
    """Like `keep_jax_state`, for a step that failed, with the state that it was called with."""
    if not any(value.is_deleted() for value in keras.tree.flatten(state)):
        model._jax_state = dict(zip(_NAMES, state, strict=True))
        model._jax_state_synced = False


def forget_jax_state(model: keras.Model) -> None:
    """Restores the variables of a model after a step that was interrupted on JAX."""
    model._jax_state = None


def global_seed() -> list | None:
    """Returns the state of Keras' global seed generator, or `None`."""
    generator = get_global_attribute(GLOBAL_SEED_GENERATOR)
    return None if generator is None else generator.state.numpy().tolist()


def set_global_seed(state: list) -> None:
    """Sets that state. This may create the generator, which draws from Python's `random`."""
    global_seed_generator().state.assign(state)
