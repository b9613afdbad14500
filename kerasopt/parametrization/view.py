"""The `layer.kernel` of a parametrized layer."""

import keras

from kerasopt.keras_internals.variables import autocast, without_autocast
from kerasopt.parametrization.chain import Chain
from kerasopt.parametrization.loops import value_read_once


class ParametrizedVariable(keras.Variable):
    """A view of another variable, whose value is read through a chain.

    It has no state: `assign` and all attributes are forwarded to the stored
    variable, and only the value passes through the chain. The chain is computed
    at each use, so a compiled step always sees the current masks and scales;
    for a loop over time it is computed once before the loop.

    Args:
        stored: The `keras.Variable` of the weight, which the optimizer updates
            unless it is frozen under LoRA.
        chain: The `Chain` it is read through.
        own: Function that returns the weight without the chain: `stored`, or
            under LoRA a tensor, the sum of it and the product of the factors.
    """

    def __init__(self, stored: keras.Variable, chain: Chain, own):
        # `keras.Variable.__init__` would create a variable: this is a view.
        self.__dict__.update(stored=stored, chain=chain, own=own)

    def __getattr__(self, name):
        return getattr(self.__dict__["stored"], name)

    def __setattr__(self, name, value):
        setattr(self.stored, name, value)

    @property
    def own_value(self):
        """The value without the chain, a tensor."""
        with without_autocast():
            own = self.own()
            return own.value if isinstance(own, keras.Variable) else own

    @property
    def value(self):
        read = value_read_once(self.chain)
        return autocast(self.stored, self.read() if read is None else read)

    def read(self):
        """Returns the value in the dtype in which the layer's own class reads it."""
        return self.chain.apply(self.own_value, self.chain.links)

    @property
    def held(self):
        """The link that holds the weight, or `None`."""
        return next((link for link in self.chain.links if link.holds_weight), None)

    @property
    def shape(self):
        shape = self.stored.shape
        return shape if self.held is None else type(shape)(self.held.shape)

    def numpy(self):
        return keras.ops.convert_to_numpy(self.value)

    def __array__(self, dtype=None, copy=None):
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def assign(self, value):
        return self.stored.assign(value)

    def __repr__(self):
        links = " -> ".join(type(link).__name__ for link in self.chain.links)
        return f"<ParametrizedVariable path={self.path}, shape={self.shape}, chain={links}>"
