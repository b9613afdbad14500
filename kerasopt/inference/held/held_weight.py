"""Links that hold a weight themselves."""

from __future__ import annotations

from typing import Any

from kerasopt.parametrization import Parametrization


class HeldWeight(Parametrization):
    """Base of the links that hold a weight themselves.

    Attributes:
        shape: Tuple of integers, the shape of the weight.
        bits: Integer, the bits of one value.
        input_bits: Integer, the bits of one value of what is multiplied with it.
    """

    order = 30  # the place of the quantizers whose values they hold
    holds_weight = True
    bits: int
    input_bits = 32

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

    def multiply(self, inputs, begin: int, end: int, values: Any = None) -> Any:
        """Returns the product of a tensor with the weight, without making floats of all of it.

        Args:
            inputs: float32 tensor of shape `(..., inputs)`.
            begin: Integer, the first axis of the weight that is summed over.
            end: Integer, the one after the last.
            values: The weight as floats, if it was read once before a loop or a file is written.

        Returns:
            float32 tensor of shape `(..., outputs)`, the other axes of the weight in one; `None`
            if there is no such product.
        """
        return None

    def add_state(self, name, shape, dtype):
        """Returns a new variable that is not trained."""
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )
