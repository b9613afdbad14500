"""The base class of parametrizations, the links of a chain."""

import keras


class OptionalState(keras.layers.Layer):
    """A layer whose state a weights file may lack.

    A weights file of a model without this layer has no state for it; the layer
    then keeps its current state.
    """

    def load_own_variables(self, store):
        if store.keys():
            super().load_own_variables(store)


def mark(link: "Parametrization") -> None:
    """Marks the trainable variables of a parametrization, for `is_of_link`."""
    for variable in link.trainable_variables:
        variable._is_of_link = True


def is_of_link(variable: keras.Variable) -> bool:
    """Whether a variable is trained by a parametrization, or was before its removal."""
    return getattr(variable, "_is_of_link", False)


class Parametrization(OptionalState):
    """A function through which a layer reads a weight, its input or its output.

    A parametrization is a Keras layer that maps a float32 tensor to a float32
    tensor of the same shape: `build(shape)` creates its state with
    `add_weight`, `call(inputs, training=None)` computes, `get_config` makes it
    serializable (register the class). It always computes in float32, whatever
    the policy of the layer it is attached to.

    Example:

    ```python
    @keras.saving.register_keras_serializable(package="my_package")
    class Symmetric(ko.parametrization.Parametrization):
        def call(self, inputs):
            return (inputs + keras.ops.transpose(inputs)) / 2

    layer = keras.layers.Dense(4)
    layer.build((None, 4))
    ko.parametrize(layer, "kernel", Symmetric())
    ```

    Attributes:
        order: Integer, the position in a chain. Links run in ascending order:
            low-rank or shared (0), cluster (10), mask (20), quantize (30).
        stored_through: Boolean, whether files contain the weight as this link
            returns it (a mask, so that files are sparse) instead of its latent
            input.
        governed: Boolean, whether a callback updates the state of this link.
        holds_weight: Boolean, whether the state of this link is the weight
            itself: it ignores its input, and the variable of the layer is
            empty. On an embedding it is the only link and has a method
            `rows(indices)`.
    """

    order = 0
    stored_through = False
    governed = False
    holds_weight = False

    def __init__(self, name=None, **kwargs):
        kwargs.pop("dtype", None)
        super().__init__(name=name, dtype="float32", **kwargs)
        self.supports_masking = True

    def build(self, input_shape):
        self.built = True

    def compute_output_shape(self, input_shape):
        return input_shape

    def quantize(self, mode=None, config=None, **kwargs):
        # Keras' `model.quantize` visits every leaf; it would silently skip the
        # parametrized layer above this link and quantize the layers beside it.
        raise ValueError(
            "Keras' `quantize` does not support layers that are compressed by kerasopt. Call "
            "`kerasopt.finalize(model)` before `model.quantize`, or use `kerasopt.quantize`. "
            f"Received: mode={mode}"
        )
