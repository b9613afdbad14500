"""Attaching and detaching parametrizations."""

import keras

from kerasopt.parametrization.chain import Chain
from kerasopt.parametrization.link import Parametrization
from kerasopt.parametrization.parametrized import (
    ACTIVATION_SLOTS,
    Parametrized,
    become,
    chain_of,
    stored_variable,
)
from kerasopt.parametrization.tree import descend


def parametrize(
    layer: keras.layers.Layer, weight: str, parametrization: Parametrization
) -> keras.layers.Layer:
    """Makes a layer read a weight, its input or its output through a function.

    The layer stays the object it is, with its name, its variables and its place
    in the model; from now on `layer.kernel` (say) is the value that the
    parametrization returns for the stored kernel, in the compiled step, in
    `predict` and in files alike. Several parametrizations on one weight form a
    chain in canonical order: low-rank or shared, cluster, mask, quantize.

    A compiled model goes on with the functions it has traced: compile it again,
    or let a callback attach (callbacks renew the functions themselves).

    Example:

    ```python
    layer = keras.layers.Dense(10)
    layer.build((None, 784))
    ko.parametrize(layer, "kernel", ko.sparsity.Mask())
    ko.parametrize(layer, "kernel", ko.quantization.FakeQuantize("int8", axis=-1))
    ```

    Args:
        layer: A built Keras layer. For a weight inside a composite layer
            (an RNN's cell, a projection of `MultiHeadAttention`, a layer of a
            subclassed model) pass the composite, and the path to the weight: the
            composite's own code re-creates what is inside when it is loaded, so
            its file has to carry the parametrization.
        weight: String, the attribute name of the weight (`"kernel"`), a dotted
            path to it (`"cell.recurrent_kernel"`), or `"input"` or `"output"`
            for the layer's activations.
        parametrization: A `Parametrization`. It is built here.

    Returns:
        `layer`.

    Raises:
        TypeError: If `layer` or `parametrization` is of another kind.
        ValueError: If the layer is not built, has no such weight, or reads it
            through a parametrization of this class already.
    """
    _check(layer, weight, parametrization)
    inner, slot = descend(layer, weight)
    variable = stored_variable(inner, slot)
    if slot not in ACTIVATION_SLOTS and not isinstance(variable, keras.Variable):
        raise ValueError(
            f"Layer '{inner.name}' ({type(inner).__name__}) has no weight '{slot}' that is a "
            f"variable (weights under LoRA or Keras' quantization are none). "
            f"Received: weight='{weight}'"
        )
    present = getattr(inner, "slots", ())
    chain = chain_of(inner, slot) if slot in present else Chain(slot)
    chain.add(parametrization, None if variable is None else variable.shape)
    if slot not in present:
        _hold(inner, f"{slot}_chain", chain)
        become(inner, (*present, slot))
    if inner is not layer:
        become(layer, getattr(layer, "slots", ()))
        layer._inner = tuple(sorted({*layer._inner, weight}))
    return layer


def unparametrize(
    layer: keras.layers.Layer, weight: str, parametrization: Parametrization | None = None
) -> keras.layers.Layer:
    """Takes a parametrization off again; the stored weight stays as it is.

    Args:
        layer: The layer that `parametrize` was given.
        weight: String, the path that `parametrize` was given.
        parametrization: The link to take off. Defaults to all of the weight's.

    Returns:
        `layer`, which is of its own class again when nothing is left.

    Raises:
        ValueError: If `weight` is not parametrized.
    """
    inner, slot = descend(layer, weight)
    if slot not in getattr(inner, "slots", ()):
        raise ValueError(
            f"Layer '{inner.name}' has no parametrization there. Received: weight='{weight}'"
        )
    chain = chain_of(inner, slot)
    for link in [parametrization] if parametrization else list(chain.links):
        chain.remove(link)
    if not chain.links:
        inner._tracker.untrack(chain)
        del vars(inner)[f"{slot}_chain"]
        become(inner, set(inner.slots) - {slot})
        if inner is not layer:
            layer._inner = tuple(path for path in layer._inner if path != weight)
            _leave(layer)
        _leave(inner)
    return layer


def _leave(layer) -> None:
    """Gives `layer` its own class back once nothing is parametrized in it."""
    if isinstance(layer, Parametrized) and not layer.slots and not layer._inner:
        vars(layer).pop("_inner", None)
        vars(layer).pop("_pending", None)
        layer.__class__ = layer.base


def _hold(layer, name, chain) -> None:
    # A built layer accepts no state unless its tracker is unlocked.
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        setattr(layer, name, chain)
    finally:
        if locked:
            layer._tracker.lock()


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
    if not layer.built:
        raise ValueError(
            f"Layer '{layer.name}' has no weights yet. Build it, or call the model on data, "
            f"before you parametrize it. Received: weight='{weight}'"
        )
