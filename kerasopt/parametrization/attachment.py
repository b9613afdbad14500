"""Attaching and detaching parametrizations."""

import keras

from kerasopt.graph.parametrized import chain_name, own_class, slots_of
from kerasopt.keras_internals.layers import flattened, is_built, untrack
from kerasopt.parametrization.chain import chain_of
from kerasopt.parametrization.link import Parametrization
from kerasopt.parametrization.location import locate
from kerasopt.parametrization.loops import update_loops
from kerasopt.parametrization.parametrized import Parametrized, attach, become
from kerasopt.parametrization.reading import (
    ACTIVATION_SLOTS,
    stored_variable,
)


def parametrize(
    layer: keras.layers.Layer, weight: str, parametrization: Parametrization
) -> keras.layers.Layer:
    """Makes a layer read a weight, its input or its output through a function.

    The layer stays the same object, with its name, its variables and its place in the model; but
    `layer.kernel`, for example, is now the value that the parametrization returns for the stored
    kernel, in the compiled step and in `predict`. Several parametrizations of one weight form a
    chain in canonical order: low-rank or shared, cluster, mask, quantize.

    A compiled model keeps using functions that it has already traced: compile it again, or use the
    callbacks, which renew these functions.

    Example:

    ```python
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10, name="top")])
    ko.parametrize(model, "top/kernel", ko.sparsity.Mask())
    ko.parametrize(model, "top/kernel", ko.quantization.WeightQuantizer())
    ```

    Args:
        layer: A built Keras layer or model. For a weight inside a composite layer (an RNN's cell, a
            projection of `MultiHeadAttention`, a layer of a subclassed model) pass the composite or
            a model around it: its code re-creates the inner layers when it is loaded, so its config
            must contain the parametrization.
        weight: String, the attribute name of the weight (`"kernel"`) or a path to it: names of
            layers in functional and sequential models, attributes, indices and keys elsewhere,
            joined by `/` (`"encoder/cell/recurrent_kernel"`). The last step may be `"input"` or
            `"output"` for the activations of a layer, `"pre_activation"` for the input of its own
            `activation`, `"first_input"` and `"second_input"` for the two tensors of a product
            (`keras.ops.matmul`), and `"between"` for the tensor between the depthwise and the
            pointwise part of a separable convolution.
        parametrization: A `Parametrization`. It is built here.

    Returns:
        `layer`.

    Raises:
        TypeError: If `layer` or `parametrization` is of another type.
        ValueError: If the layer is not built, has no such weight, or already reads it through a
            parametrization of this class.
    """
    _check(layer, weight, parametrization)
    inner, slot, *_ = locate(layer, weight)
    if inner.quantization_mode is not None:
        raise ValueError(
            f"Layer '{inner.name}' is already quantized by Keras' `quantize`, and cannot be "
            "parametrized. Use the model from before that, or exclude the layer with a rule "
            f"`(name, None)`. Received: weight='{weight}', "
            f"quantization_mode={inner.quantization_mode!r}"
        )
    variable = stored_variable(inner, slot)
    if slot not in ACTIVATION_SLOTS and not isinstance(variable, keras.Variable):
        raise ValueError(
            f"Layer '{inner.name}' ({type(inner).__name__}) has no weight '{slot}' that is a "
            f"variable. Received: weight='{weight}'"
        )
    attach(layer, weight, parametrization)
    return layer


def unparametrize(
    layer: keras.layers.Layer, weight: str, parametrization: Parametrization | None = None
) -> keras.layers.Layer:
    """Removes a parametrization; the stored weight is not changed.

    ```python
    ko.parametrize(model, "classifier/kernel", ko.sparsity.Mask())
    ko.unparametrize(model, "classifier/kernel")  # as before
    ```

    Args:
        layer: The layer that was passed to `parametrize`.
        weight: String, the path that was passed to `parametrize`.
        parametrization: The parametrization to remove. Defaults to all of the
            weight's.

    Returns:
        `layer`, which gets its own class back when no parametrization is left.

    Raises:
        ValueError: If `weight` is not parametrized.
    """
    inner, slot, owner, path, _, holder = locate(layer, weight)
    if slot not in slots_of(inner):
        raise ValueError(
            f"Layer '{inner.name}' has no parametrization there. Received: weight='{weight}'"
        )
    chain = chain_of(inner, slot)
    for link in [parametrization] if parametrization else list(chain.links):
        chain.remove(link)
    if not chain.links:
        _release(inner, slot)
        if owner is not inner:
            owner._inner = tuple(other for other in owner._inner if other != path)
            _leave(owner)
        _leave(inner)
        if isinstance(holder, Parametrized):
            become(holder, slots_of(holder))
            _leave(holder)
        update_loops(layer)
    return layer


def unparametrize_all(model: keras.layers.Layer) -> None:
    """Removes every parametrization in `model`."""
    for layer in parametrized_layers(model):
        for slot in slots_of(layer):
            _release(layer, slot)
        layer._inner = ()
        _leave(layer)
    update_loops(model)


def parametrized_layers(model: keras.layers.Layer) -> list:
    """Returns all layers of `model` that are parametrized or contain parametrized layers."""
    return [layer for layer in flattened(model) if isinstance(layer, Parametrized)]


def _release(layer, slot) -> None:
    untrack(layer, chain_of(layer, slot))
    del vars(layer)[chain_name(slot)]
    become(layer, set(slots_of(layer)) - {slot})


def _leave(layer) -> None:
    """Gives `layer` its own class back once nothing is parametrized in it."""
    if isinstance(layer, Parametrized) and not slots_of(layer) and not layer._inner:
        vars(layer).pop("_inner", None)
        vars(layer).pop("_pending", None)
        layer.__class__ = own_class(layer)


def _check(layer, weight, parametrization) -> None:
    if keras.backend.backend() == "torch":
        raise ValueError(
            "kerasopt runs on the TensorFlow and JAX backends of Keras. Set KERAS_BACKEND to one "
            "of them. Received: KERAS_BACKEND=torch"
        )
    if not isinstance(layer, keras.layers.Layer):
        raise TypeError(f"`layer` must be a Keras layer. Received: layer={layer}")
    if not isinstance(parametrization, Parametrization):
        raise TypeError(
            "`parametrization` must be an instance of `kerasopt.parametrization.Parametrization`. "
            f"Received: parametrization={parametrization}"
        )
    if not is_built(layer):
        raise ValueError(
            f"Layer '{layer.name}' has no weights yet. Build it, or call the model on data, "
            f"before you parametrize it. Received: weight='{weight}'"
        )
