"""Which weights of a layer are compressed."""

import keras

from kerasopt.keras_internals.layers import held_layers, own_state
from kerasopt.keras_internals.variables import lora_factors, variable_of

_KERNELS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
_TABLES = ("embeddings", "reverse_embeddings")


def kernel_names(layer: keras.layers.Layer) -> tuple[str, ...]:
    """Returns the attribute names of the kernels of `layer`, in a fixed order.

    Kernels are what a layer multiplies its input with: not biases, not the
    scales of normalizations, not the rows of an embedding. A layer that only
    passes on the kernel of an inner layer has none.

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
    """Returns the attribute names of the weights that compressing `layer` means.

    Its kernels, or the table of an `Embedding`: both tables of a `ReversibleEmbedding` whose
    weights are not tied.
    """
    tables = _TABLES if isinstance(layer, keras.layers.Embedding) else ()
    return kernel_names(layer) or tuple(name for name in tables if is_weight(layer, name))


def is_weight(layer: keras.layers.Layer, name: str) -> bool:
    """Whether `name` is an attribute of `layer` that is one of its own variables."""
    return id(variable_of(layer, name)) in set(map(id, own_variables(layer)))


def own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables of a layer without those of its inner layers.

    A wrapper may track what is its inner layer's as well: `SpectralNormalization` the kernel.
    """
    inner = {id(variable) for inner in held_layers(layer) for variable in inner.variables}
    return [variable for variable in own_state(layer) if id(variable) not in inner]


def variables_of_weights(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the variables that make what compressing `layer` means, the factors of LoRA too."""
    return [variable_of(layer, name) for name in weight_names(layer)] + lora_factors(layer)
