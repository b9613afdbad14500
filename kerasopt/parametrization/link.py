"""The link of a chain: one function that a tensor of a layer is read through."""

import keras


class OptionalState(keras.layers.Layer):
    """A layer whose state a weights file may lack.

    Weights that were saved from a model without this layer hold no state for
    it: then it keeps what it has.
    """

    def load_own_variables(self, store):
        if store.keys():
            super().load_own_variables(store)


def mark(link: "Parametrization") -> None:
    """Lets `is_of_link` know the variables that a parametrization trains."""
    for variable in link.trainable_variables:
        variable._is_of_link = True


def is_of_link(variable: keras.Variable) -> bool:
    """Whether a parametrization trains a variable, or did before it was taken off."""
    return getattr(variable, "_is_of_link", False)


class Parametrization(OptionalState):
    """A function that a weight, an input or an output of a layer is read through.

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
        order: Integer, the place in a chain. Links run in ascending order:
            low-rank or shared (0), cluster (10), mask (20), quantize (30).
        stored_through: Boolean, whether files hold the weight as this link
            returns it (a mask: what lies on disk is as sparse as what runs)
            instead of the latent value that it is given.
        governed: Boolean, whether a callback moves the state of this link.
        holds_weight: Boolean, whether the state of this link is the weight
            itself: what it is given does not matter, and the layer keeps an
            empty variable in place of its own. On an embedding, whose rows are
            looked up, it is alone and has a method `rows(indices)`.
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
            "Keras' `quantize` does not know layers that kerasopt compresses. Call "
            "`kerasopt.finalize(model)` first, then `model.quantize`, or use `kerasopt.quantize`. "
            f"Received: mode={mode}"
        )
