"""Links that hold a weight themselves."""

from __future__ import annotations

from kerasopt.parametrization import Parametrization


class HeldWeight(Parametrization):
    """Base of the links that hold a weight themselves.

    Attributes:
        shape: Tuple of integers, the shape of the weight.
        bits: Integer, the bits of one value.
    """

    order = 30  # the place of the quantizers whose values they hold
    holds_weight = True
    bits: int

    def build(self, input_shape):
        self.shape = tuple(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape):
        return self.shape

    def rows(self, indices):
        """Returns rows of a table, float32, without those that are not asked for.

        Args:
            indices: Integer tensor of any shape, negative ones from the end.
        """
        raise NotImplementedError

    def add_state(self, name, shape, dtype):
        """Returns a new variable that is not trained."""
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )
