"""A recorded call inside a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.graph.matrix_products import may_be_matrix_product
from kerasopt.graph.opening.sized_operation import constants_of
from kerasopt.graph.opening.sizes import flattened
from kerasopt.keras_internals.interception import SymbolicArguments

# In the key of an operation that is not seen when the code runs on data: it has no name there.
UNSEEN = "_of_sizes_"
# An axis of what a call returns: the indices of the call, the output and the axis.
Axis = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer or an operation, as Keras' `Node`s record them in functional models.

    Attributes:
        operation: What is called.
        owner: The layer whose own code calls it.
        path: Its path from the recorded layer: attributes that hold layers, and keys of operations,
            joined by `/`.
        key: The name of an operation among those that its owner calls; `None` for layers.
        arguments: Keras' `SymbolicArguments`.
        outputs: List of the symbolic tensors that it returns.
        index: Integer, how many calls were recorded before it.
        weights: Dict of the places of the owner's weights among the arguments, in flat order, to
            the attributes that they are.
    """

    operation: keras.Operation
    owner: keras.Layer
    path: str
    key: str | None
    arguments: SymbolicArguments
    outputs: list[keras.KerasTensor]
    index: int
    weights: dict[int, str]

    @property
    def input_tensors(self) -> list[keras.KerasTensor]:
        return self.arguments.keras_tensors

    @property
    def constants(self) -> list[Any]:
        """Numbers, words and shapes of tensors among what the call and the operation are given."""
        own = {} if self.key is None else constants_of(self.operation)
        structure = (self.arguments.args, self.arguments.kwargs, own)
        return [
            tuple(x.shape) if hasattr(x, "shape") else x
            for x in flattened(structure)
            if x is None or isinstance(x, int | float | str) or _is_array(x)
        ]

    @property
    def multiplies_weight(self) -> bool:
        """Whether it is a product of a tensor and a weight of its owner."""
        return bool(self.weights) and may_be_matrix_product(self.operation)


@dataclass(frozen=True, eq=False)
class Recording:
    """What a layer computes.

    Attributes:
        inputs: List of the symbolic tensors that it was called on, in flat order, and their masks.
        masks_read: List of the masks of the tensors that it was called on.
        masks: List of (tensor, mask) where opened layers gave a mask to what they returned.
        outputs: List of those that it returned, in flat order.
        result: The outputs in their structure.
        calls: List of `Call`, those that the outputs depend on, in the order in which they ran.
        closed: Dict of the path of each inner layer that could not be opened to the reason.
    """

    inputs: list[keras.KerasTensor]
    masks_read: list[keras.KerasTensor]
    masks: list[tuple[keras.KerasTensor, keras.KerasTensor]]
    outputs: list[keras.KerasTensor]
    result: Any
    calls: list[Call]
    closed: dict[str, str]

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The path and the kind of each call."""
        return [(call.path, type(call.operation).__name__) for call in self.calls]

    @property
    def constants(self) -> list[list[Any]]:
        """The constants of each call."""
        return [call.constants for call in self.calls]

    def other_sizes(self, other: Recording) -> set[Axis]:
        """Returns which axes of outputs have another size in another recording of the same."""
        return {
            (call.index, number, axis)
            for call, same in zip(self.calls, other.calls, strict=True)
            for number, outputs in enumerate(zip(call.outputs, same.outputs, strict=True))
            for axis, sizes in enumerate(zip(*(x.shape for x in outputs), strict=True))
            if None not in sizes and sizes[0] != sizes[1]
        }


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and not isinstance(value, keras.KerasTensor)


class Constant(keras.Operation):
    """An operation without inputs.

    Args:
        value: The tensor that it returns.
    """

    def __init__(self, value: Any):
        super().__init__(name=None)
        self.value = value

    def call(self) -> Any:
        return self.value

    def compute_output_spec(self) -> keras.KerasTensor:
        return keras.KerasTensor(self.value.shape, self.value.dtype)


class Unrecordable(Exception):
    """Raised if a layer cannot be recorded; the message says why, for the user."""


class TooManyCalls(Exception):
    """Raised where code goes on and on with the large numbers that stand for unknown sizes."""
