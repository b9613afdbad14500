"""How layers are called: arguments, training mode and masks."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask


def in_inference(operation: keras.Operation) -> Callable[..., Any]:
    """Returns a function that calls an operation as `model(x, training=False)` does."""
    if not isinstance(operation, keras.Layer):
        return operation
    # Every layer accepts it, for inner layers; augmentation is active unless it is passed.
    return lambda *args, **kwargs: operation(*args, **{**kwargs, "training": False})


def signature_of(operation: keras.Operation) -> inspect.Signature:
    """Returns the signature with which Keras binds the arguments of an operation."""
    return getattr(operation, "_call_signature", None) or inspect.signature(operation.call)


def context_arguments(operation: keras.Operation) -> set[str]:
    """Returns the arguments that every layer accepts and passes on to inner layers."""
    return set(getattr(operation, "_call_context_args", {"training"}))


def take_arguments_of(layer: keras.Layer, call: Callable[..., Any]) -> None:
    """Makes a layer, in its `__init__`, accept all arguments of `call`.

    By default, layers accept tensors only as positional arguments, and convert them.
    """
    layer._call_signature = inspect.signature(call)
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True
    layer._build_at_init()


def is_training(layer: keras.Layer) -> bool:
    """Whether the current call of a layer is in training mode."""
    return bool(layer._get_call_context().get_value("training"))


@contextlib.contextmanager
def noted(model: keras.Model, note: str) -> Iterator[None]:
    """Leaves a note for all layers that a model calls inside the context."""
    model._get_call_context().set_value(note, True)
    try:
        yield
    finally:
        model._maybe_reset_call_context()


@contextlib.contextmanager
def training_if_noted(layer: keras.Layer, note: str) -> Iterator[None]:
    """Makes calls inside the current call of a layer run in training mode if there is a note."""
    context = layer._get_call_context()
    training = context.get_value("training")
    context.set_value("training", training or context.get_value(note))
    yield
    context.set_value("training", training)


def copy_mask(source: Any, target: Any) -> None:
    """Copies the mask of a tensor, if it has one, to another tensor."""
    mask = get_keras_mask(source)
    if mask is not None:
        set_keras_mask(target, mask)
