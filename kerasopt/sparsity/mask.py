"""The parametrization that keeps pruned weights at zero."""

import keras

from kerasopt.parametrization import (
    Parametrization,
    links_by_slot,
    parametrized_layers,
    with_gradient_of,
)


@keras.saving.register_keras_serializable(package="kerasopt")
class Mask(Parametrization):
    """Reads a weight as zero wherever its mask is false.

    The stored value under the mask is hidden: it is not read and gets no
    gradient, and files contain zeros in its place, so every checkpoint is as
    sparse as the model.

    Example:

    ```python
    layer = keras.layers.Dense(10)
    layer.build((None, 784))
    mask = ko.sparsity.Mask()
    ko.parametrize(layer, "kernel", mask)
    mask.mask.assign(abs(layer.kernel.numpy()) > 0.01)
    ```

    Args:
        dense_gradient: Boolean, whether hidden values get the gradient that
            they would have without the mask (the straight-through estimator of
            Bengio et al., 2013, https://arxiv.org/abs/1308.3432), for regrowth
            that needs it.
        keeps_hidden: Boolean, whether hidden values are latent weights, which
            may be revived with their values. Files then contain them, and are
            as large as those of a dense model.

    Attributes:
        mask: Boolean variable of the shape of the weight; one byte a weight.
    """

    order = 20

    def __init__(self, dense_gradient=False, keeps_hidden=False, **kwargs):
        super().__init__(**kwargs)
        self.dense_gradient = dense_gradient
        self.keeps_hidden = keeps_hidden

    @property
    def stored_through(self):
        return not self.keeps_hidden

    def build(self, input_shape):
        # The callback assigns the same mask on every replica.
        self.mask = self.add_weight(
            shape=input_shape,
            dtype="bool",
            initializer="ones",
            trainable=False,
            aggregation="only_first_replica",
            name="mask",
        )
        self.built = True

    def call(self, inputs):
        # Not a multiplication: a hidden value may be infinite.
        mask = keras.ops.convert_to_tensor(self.mask)
        masked = keras.ops.where(mask, inputs, keras.ops.zeros_like(inputs))
        return with_gradient_of(inputs, masked) if self.dense_gradient else masked

    def get_config(self):
        return {
            **super().get_config(),
            "dense_gradient": self.dense_gradient,
            "keeps_hidden": self.keeps_hidden,
        }


def masked_variables(model: keras.layers.Layer) -> list[tuple[keras.Variable, keras.Variable]]:
    """Returns (stored weight, boolean mask) for every masked weight of `model`."""
    return [
        (getattr(layer, slot).stored, link.mask)
        for layer in parametrized_layers(model)
        for slot, link in links_by_slot(layer, Mask)
    ]
