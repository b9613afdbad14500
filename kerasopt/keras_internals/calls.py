"""How layers are called: arguments, training mode and masks."""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute, set_global_attribute
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

# The method with which a layer that supports masks gives its outputs theirs.
SET_MASKS = "_set_mask_metadata"


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


def bound_arguments(operation: keras.Operation, args: tuple, kwargs: dict) -> Any:
    """Returns the `inspect.BoundArguments` of a call."""
    signature = signature_of(operation)
    # Keras accepts `training`, and custom context arguments, in a call of any layer.
    unused = context_arguments(operation) - set(signature.parameters)
    kwargs = {name: value for name, value in kwargs.items() if name not in unused}
    return signature.bind(*args, **kwargs)


def take_arguments_of(layer: keras.Layer, call: Callable[..., Any]) -> None:
    """Makes a layer, in its `__init__`, accept all arguments of `call`.

    By default, layers accept tensors only as positional arguments, and convert them.
    """
    set_signature(layer, call)
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True
    layer._build_at_init()


def set_signature(layer: keras.Layer, call: Callable[..., Any]) -> None:
    """Makes Keras bind the arguments of a layer as those of `call`."""
    vars(layer)["_call_signature"] = inspect.signature(call)


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
def inference(layer: keras.Layer) -> Iterator[None]:
    """Makes all calls inside the context run in inference mode, whatever calls surround it."""
    outer = get_global_attribute("current_call_ctx")
    set_global_attribute("current_call_ctx", None)
    try:
        layer._get_call_context().set_value("training", False)
        yield
    finally:
        set_global_attribute("current_call_ctx", outer)


@contextlib.contextmanager
def training_if_noted(layer: keras.Layer, note: str) -> Iterator[None]:
    """Makes calls inside the current call of a layer run in training mode if there is a note."""
    context = layer._get_call_context()
    training = context.get_value("training")
    context.set_value("training", training or context.get_value(note))
    yield
    context.set_value("training", training)


def mask_of(tensor: Any) -> Any:
    """Returns the mask of a tensor, or `None`."""
    return get_keras_mask(tensor)


def set_mask(tensor: Any, mask: Any) -> None:
    """Gives a tensor a mask."""
    set_keras_mask(tensor, mask)


@contextlib.contextmanager
def masks_set(masks: list[tuple[Any, Any]]) -> Iterator[None]:
    """Gives tensors other masks inside the context.

    Args:
        masks: List of (tensor, mask).
    """
    own = [(tensor, get_keras_mask(tensor)) for tensor, _ in masks]
    try:
        for tensor, mask in masks:
            set_keras_mask(tensor, mask)
        yield
    finally:
        for tensor, mask in own:
            set_keras_mask(tensor, mask)


def set_masks_of_outputs(layer: keras.Layer, inputs: Any, outputs: Any, mask: Any) -> None:
    """Gives the outputs of a call the masks that Keras gives them.

    Args:
        layer: The layer.
        inputs: The first argument of the call.
        outputs: What it returned.
        mask: The mask argument of the call; `None` for the mask of the inputs.
    """
    if layer.supports_masking:
        if mask is None:
            mask = keras.tree.map_structure(get_keras_mask, inputs)
        layer._set_mask_metadata(inputs, outputs, mask)


def computed_mask(layer: keras.Layer, arguments: dict[str, Any], inputs: Any, mask: Any) -> Any:
    """Returns the mask of what a call of a layer returns.

    Args:
        layer: The layer.
        arguments: The arguments of the call, by name.
        inputs: The tensors of the first one.
        mask: Their masks.
    """
    if isinstance(layer, keras.layers.ReversibleEmbedding):
        # It sets the mask in its `call`, which Keras does not run on symbolic tensors.
        is_reverse = arguments.get("reverse", False)
        return None if is_reverse else keras.layers.Embedding.compute_mask(layer, inputs)
    return layer.compute_mask(inputs, mask)


def copy_mask(source: Any, target: Any) -> None:
    """Copies the mask of a tensor, if it has one, to another tensor."""
    mask = get_keras_mask(source)
    if mask is not None:
        set_keras_mask(target, mask)


def fill_masks(layer: keras.Layer, arguments: dict[str, Any]) -> None:
    """Adds the masks to the arguments of a call that Keras fills in, by the names of arguments."""
    names = layer.call_signature_parameters
    tensors = {
        name: value
        for name, value in arguments.items()
        if any(map(_is_tensor, keras.tree.flatten(value)))
    }
    for name, value in tensors.items():
        filled = "mask" if len(tensors) == 1 else f"{name}_mask"
        if filled in names and arguments.get(filled) is None:
            arguments[filled] = keras.tree.map_structure(get_keras_mask, value)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, keras.KerasTensor) or keras.ops.is_tensor(value)
