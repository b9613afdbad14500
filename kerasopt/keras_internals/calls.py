"""How layers are called: what they are told, and what hangs on their tensors."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask


def in_inference(operation: keras.Operation) -> Callable[..., Any]:
    """Returns what calls an operation as `model(x, training=False)` calls it."""
    if not isinstance(operation, keras.Layer):
        return operation
    # Every layer takes it, for layers inside; those for augmentation run unless they are told.
    return lambda *args, **kwargs: operation(*args, **{**kwargs, "training": False})


def signature_of(operation: keras.Operation) -> inspect.Signature:
    """Returns the signature of what an operation is called with, as Keras binds it."""
    return getattr(operation, "_call_signature", None) or inspect.signature(operation.call)


def context_arguments(operation: keras.Operation) -> set[str]:
    """Returns the arguments that any layer takes, and hands on to those inside it."""
    return set(getattr(operation, "_call_context_args", {"training"}))


def take_arguments_of(layer: keras.Layer, call: Callable[..., Any]) -> None:
    """Lets a layer, in its `__init__`, be called with all that `call` takes.

    Layers take tensors only in their positional arguments, and convert what they are given.
    """
    layer._call_signature = inspect.signature(call)
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True
    layer._build_at_init()


def is_training(layer: keras.Layer) -> bool:
    """Whether the call of a layer that runs now is one of training."""
    return bool(layer._get_call_context().get_value("training"))


@contextlib.contextmanager
def noted(model: keras.Model, note: str) -> Iterator[None]:
    """Leaves a note for all layers that a model calls inside of the context."""
    model._get_call_context().set_value(note, True)
    try:
        yield
    finally:
        model._maybe_reset_call_context()


@contextlib.contextmanager
def training_if_noted(layer: keras.Layer, note: str) -> Iterator[None]:
    """Lets what the running call of a layer calls train if there is a note."""
    context = layer._get_call_context()
    training = context.get_value("training")
    context.set_value("training", training or context.get_value(note))
    yield
    context.set_value("training", training)


def copy_mask(source: Any, target: Any) -> None:
    """Hangs the mask of a tensor, if it has one, on another tensor."""
    mask = get_keras_mask(source)
    if mask is not None:
        set_keras_mask(target, mask)
