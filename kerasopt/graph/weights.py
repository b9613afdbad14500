"""The compressible weights of a layer."""

import keras

from kerasopt.keras_internals.layers import held_layers, own_state
from kerasopt.keras_internals.variables import lora_factors, variable_of

_KERNELS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
_TABLES = ("embeddings", "reverse_embeddings")


def kernel_names(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Returns the attribute names of the kernels of `layer`, in a fixed order.

    Kernels are the weights that a layer multiplies its input by, not biases,
    scales of normalizations or rows of an embedding. A layer that only exposes
    the kernel of an inner layer has none.

    ```python
    layer = keras.layers.SeparableConv1D(8, 3)
    layer.build((None, 10, 4))
    kernel_names(layer)  # ("depthwise_kernel", "pointwise_kernel")
    ```

    Args:
        layer: A built layer.
    """
    return tuple(name for name in _KERNELS if is_weight(layer, name))


def weight_names(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Returns the attribute names of the weights that are compressed with `layer`.

    These are its kernels, or the table of an `Embedding` (both tables of an untied
    `ReversibleEmbedding`).
    """
    tables = _TABLES if isinstance(layer, keras.layers.Embedding) else ()
    return kernel_names(layer) or tuple(name for name in tables if is_weight(layer, name))


def is_weight(layer: keras.layers.Layer, name: str) -> bool:
    """Whether the attribute `name` of `layer` is one of its own variables."""
    return id(variable_of(layer, name)) in set(map(id, own_variables(layer)))


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables of a layer without those of its inner layers.

    A wrapper may also track variables of its inner layer, as `SpectralNormalization` does.
    """
    inner = {id(variable) for inner in held_layers(layer) for variable in inner.variables}
    return [variable for variable in own_state(layer) if id(variable) not in inner]


def variables_of_weights(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables that are compressed with `layer`, including LoRA factors."""
    return [variable_of(layer, name) for name in weight_names(layer)] + lora_factors(layer)
