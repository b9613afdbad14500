"""The variables of weights, their values and layouts."""

from collections.abc import Callable
from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute
from keras.src.backend.common.variables import AutocastScope


def variable_of(layer: keras.Layer, name: str):
    """Returns the variable behind `layer.<name>`.

    Under LoRA, and with weights packed by Keras' `quantize`, the attribute is a tensor that is
    computed at every access; on a parametrized layer it is a view of the variable.
    """
    value = getattr(layer, name, None)
    value = getattr(value, "stored", value)  # a view, or a part of a packed variable
    if value is not None and not isinstance(value, keras.Variable):
        return variable_under(layer, name)
    return value


def variable_under(layer: keras.Layer, name: str):
    """Returns the variable behind a property of a layer."""
    return vars(layer).get(f"_{name}")


def has_lora(layer: keras.Layer) -> bool:
    """Whether a layer has LoRA and is not quantized by Keras."""
    return getattr(layer, "lora_enabled", False) and layer.quantization_mode is None


def lora_factors(layer: keras.Layer) -> list[keras.Variable]:
    """Returns the two LoRA factors of a layer; none without LoRA."""
    names = ("lora_kernel_a", "lora_kernel_b", "lora_embeddings_a", "lora_embeddings_b")
    return [vars(layer)[name] for name in names if name in vars(layer)]


def without_values(add_weight: Callable[[], keras.Variable]) -> keras.Variable:
    """Returns the variable that a function adds, without allocating memory until `set_values`."""
    with keras.StatelessScope():
        variable = add_weight()
        # Keras would initialize it when this scope ends.
        get_global_attribute("uninitialized_variables").pop()
    return variable


def set_values(variable: keras.Variable, values: Any) -> None:
    """Assigns values to a variable that may have none."""
    if variable._value is None:
        variable._initialize(variable._convert_to_tensor(values, dtype=variable.dtype))
        variable._initializer = None
    else:
        variable.assign(values)


def without_autocast() -> AutocastScope:
    """The scope in which variables are read in their own dtype, whatever the dtype policy."""
    return AutocastScope(None)


def autocast(variable: keras.Variable, value: Any) -> Any:
    """Returns a value in the dtype in which a variable is read in the current scope."""
    return variable._maybe_autocast(value)


def layout_of(variable: keras.Variable) -> Any:
    """Returns the layout of a variable, a `keras.distribution.TensorLayout`, or `None`."""
    return getattr(variable, "_layout", None)


def set_layout(variable: keras.Variable, layout: Any) -> None:
    """Changes the layout of a variable."""
    variable._layout = layout
    variable.assign(variable.value)
