"""Private parts of Keras that the package touches, under names that say what they are for."""

import functools
from collections.abc import Callable
from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.models.functional import Functional, operation_fn


def variable_of(layer: keras.Layer, name: str):
    """Returns the variable behind `layer.<name>`.

    Under LoRA, and with weights that Keras' `quantize` has packed, the attribute is a tensor that
    is made anew at every access; on a parametrized layer it is a view of the variable.
    """
    value = getattr(layer, name, None)
    value = getattr(value, "stored", value)  # a view, or a part of a packed variable
    if value is not None and not isinstance(value, keras.Variable):
        return vars(layer).get(f"_{name}")
    return value


def has_lora(layer: keras.Layer) -> bool:
    """Whether LoRA adds to the weight of a layer that is not quantized by Keras."""
    return getattr(layer, "lora_enabled", False) and layer.quantization_mode is None


def lora_factors(layer: keras.Layer) -> list[keras.Variable]:
    """Returns the two variables whose product LoRA adds to a weight; none without LoRA."""
    names = ("lora_kernel_a", "lora_kernel_b", "lora_embeddings_a", "lora_embeddings_b")
    return [vars(layer)[name] for name in names if name in vars(layer)]


@functools.cache
def attributes_of_every_layer() -> frozenset[str]:
    """Returns the names under which Keras and TensorFlow keep what layers hold once more.

    TensorFlow's begin with `_self_`, as those of a user may.
    """
    layer = keras.Layer(name="layer")
    own = set(vars(layer))
    layer.inner = keras.Layer(name="inner")
    return frozenset(own | set(vars(layer)) - {"inner"})


def is_built(layer: keras.Layer) -> bool:
    """Returns whether a layer has its weights, or the layers that it is made of have theirs.

    Keras marks a model as built when it is called. One whose `train_step` calls its parts (a GAN)
    never is.
    """
    parts = layer._flatten_layers(include_self=False)
    by_parts = not isinstance(layer, keras.Sequential) and bool(parts)
    return layer.built or (by_parts and all(part.built for part in parts))


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


def standardized_inputs(functional: Functional, data: Any) -> list[Any]:
    """Returns the tensors that a functional model makes of what it is called on, in flat order."""
    return functional._standardize_inputs(data)


def in_inference(operation: keras.Operation) -> Callable[..., Any]:
    """Returns what calls an operation as `model(x, training=False)` calls it."""
    call = operation_fn(operation, training=False)
    if not isinstance(operation, keras.Layer):
        return call
    layer = operation

    def run(*args: Any, **kwargs: Any) -> Any:
        # Layers inside one without a `training` argument learn it from the context of the call;
        # those for augmentation run unless they are told not to.
        context = layer._get_call_context()
        around = context.get_value("training")
        context.set_value("training", False)
        try:
            return call(*args, **kwargs)
        finally:
            context.set_value("training", around)
            layer._maybe_reset_call_context()

    return run


def traced_functions(model: keras.Layer) -> list[str]:
    """Returns the attributes in which a model keeps what its methods `make_<attribute>` trace.

    Keras has three of them; causal language models of keras-hub keep a `generate_function`, too.
    """
    return [
        name
        for name in vars(model)
        if name.endswith("_function") and hasattr(type(model), f"make_{name}")
    ]


def is_reading_file() -> bool:
    """Whether Keras makes a model of what a file says, before it reads the weights."""
    # Objects of a file are shared under their numbers; nothing else has such a scope.
    return get_global_attribute("shared_objects/id_to_obj_map") is not None


def without_values(add_weight: Callable[[], keras.Variable]) -> keras.Variable:
    """Returns the variable that a function adds, which takes no memory until `set_values`."""
    with keras.StatelessScope():
        variable = add_weight()
        # Keras would give it values when this scope ends.
        get_global_attribute("uninitialized_variables").pop()
    return variable


def set_values(variable: keras.Variable, values: Any) -> None:
    """Assigns to a variable, which may be without values."""
    if variable._value is None:
        variable._initialize(variable._convert_to_tensor(values, dtype=variable.dtype))
        variable._initializer = None
    else:
        variable.assign(values)
