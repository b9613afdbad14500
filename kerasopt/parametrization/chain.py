"""The chain: the links of one slot of a layer, in their canonical order."""

import keras

from kerasopt.graph.parametrized import chain_name
from kerasopt.keras_internals.calls import training_if_noted
from kerasopt.keras_internals.layers import held_layers, untrack
from kerasopt.keras_internals.variables import without_autocast
from kerasopt.parametrization.link import Parametrization, mark

# Set in Keras' call context while a parametrized model runs its training step.
IN_TRAIN_STEP = "kerasopt_in_train_step"


class Chain(keras.layers.Layer):
    """The parametrizations of one slot (a weight, the input or the output).

    The chain is a sublayer of its layer, so its state is tracked, handled by
    every trainer and saved along with the layer's own weights. A plain layer
    that loads such a file ignores it.

    Args:
        slot: String, the attribute name of a weight, or one of `ACTIVATION_SLOTS`.
    """

    def __init__(self, slot: str):
        # Inputs are cast in `apply`, which also casts back.
        super().__init__(name=chain_name(slot), dtype="float32", autocast=False)
        self.supports_masking = True
        self.slot = slot
        self.links: list[Parametrization] = []
        self.built = True

    def add(self, link: Parametrization, shape) -> None:
        """Builds `link` for tensors of `shape` and puts it in its place.

        Raises:
            ValueError: If the chain already has a link of this class.
        """
        if any(type(present) is type(link) for present in self.links):
            raise ValueError(
                f"`{self.slot}` is already parametrized by a {type(link).__name__}. Detach it "
                f"first (`kerasopt.unparametrize`). Received: parametrization={link}"
            )
        if not link.built:
            link.build(shape)
        mark(link)
        self.links = sorted([*self.links, link], key=lambda member: member.order)
        # The order of `weights` must not depend on the order of attaching.
        held_layers(self).sort(key=lambda member: member.order)

    def remove(self, link: Parametrization) -> None:
        """Takes `link`, and its state with it, out of the chain."""
        untrack(self, link)
        self.links = [member for member in self.links if member is not link]

    def call(self, inputs):
        with training_if_noted(self, IN_TRAIN_STEP):
            return self.apply(inputs, self.links)

    def apply(self, inputs, links):
        """Returns `inputs` read through `links`, in their original dtype."""
        if hasattr(inputs, "indices"):  # links need the zeros of a sparse tensor, too
            inputs = keras.ops.convert_to_tensor(inputs, sparse=False)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        # Under a mixed policy the surrounding layer casts every variable that
        # is read; links compute in float32, and the result is cast once.
        with without_autocast():
            outputs = keras.ops.cast(inputs, "float32")
            for link in links:
                outputs = link(outputs)
        return keras.ops.cast(outputs, dtype)

    def stored(self, value):
        """Returns the value of a weight that files contain."""
        return self.apply(value, [link for link in self.links if link.stored_through])


def chain_of(layer, slot: str) -> Chain:
    """Returns the chain of a slot that is parametrized."""
    return vars(layer)[chain_name(slot)]
