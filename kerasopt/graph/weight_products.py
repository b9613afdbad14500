"""Products of a tensor with a weight in the code of a layer: experts, projections."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from kerasopt.graph.kernel_layout import KernelLayout
from kerasopt.graph.matrix_products import axes_of, may_be_matrix_product
from kerasopt.graph.node import Node
from kerasopt.graph.operation_layer import unwrap
from kerasopt.graph.weights import kernel_names


@dataclass(frozen=True)
class WeightProduct:
    """A contraction of a tensor and a weight.

    Every axis has a letter. An axis of the tensor, the weight and the output is one of a batch of
    matrices (the experts), one of the tensor and the weight alone is summed over.

    Attributes:
        layer: The layer whose code multiplies.
        name: String, the attribute of it that is the weight.
        position: Integer, which argument of the call the tensor is.
        tensor: String, the axes of the tensor, without those of `repeated`.
        weight: String, those of the weight.
        output: String, those of the output.
        repeated: Tuple of integers, which axes of the tensor have size 1, where the weight has one
            of another size: `matmul(x[None], experts)`.
    """

    layer: keras.Layer
    name: str
    position: int
    tensor: str
    weight: str
    output: str
    repeated: tuple[int, ...] = ()

    @property
    def batch(self) -> str:
        """The axes along which matrices are multiplied one by one."""
        return "".join(x for x in self.weight if x in self.tensor and x in self.output)

    @property
    def rows(self) -> str:
        """The axes of the output that only the tensor has."""
        return "".join(x for x in self.tensor if x not in self.weight)

    @property
    def columns(self) -> str:
        """The axes of the output that only the weight has."""
        return "".join(x for x in self.weight if x not in self.tensor)

    @property
    def depth(self) -> str:
        """The axes that are summed over."""
        return "".join(x for x in self.weight if x not in self.output)

    @property
    def is_matrix(self) -> bool:
        """Whether it sums, and only over axes that both have."""
        kept = self.batch + self.rows + self.columns
        is_sum = bool(self.depth) and set(self.depth) <= set(self.tensor)
        return is_sum and sorted(kept) == sorted(self.output)

    @property
    def layout(self) -> KernelLayout:
        """The meaning of the axes of the weight."""
        axes = range(len(self.weight))
        inputs = tuple(axis for axis in axes if self.weight[axis] in self.tensor)
        return KernelLayout((), inputs, tuple(x for x in axes if self.weight[x] in self.output))


def weight_product(node: Node) -> WeightProduct | None:
    """Returns the product with a weight that a call computes, or `None`.

    The weight is an attribute of the layer whose code calls `keras.ops.matmul` or `einsum`, and is
    no kernel. A repeated axis, and a sum over an axis of one of the two, are none.
    """
    weights: dict[int, str] = getattr(node.keras_node, "weights", {})
    given = node.keras_node.arguments
    arguments = keras.tree.flatten((given.args, given.kwargs))
    operands = [i for i, x in enumerate(arguments) if len(getattr(x, "shape", ()))]
    is_pair = len(node.inputs) == len(weights) == 1 and len(operands) == 2
    if not is_pair or not may_be_matrix_product(node.operation):
        return None
    ((place, name),) = weights.items()
    terms = axes_of(unwrap(node.operation), *(len(arguments[i].shape) for i in operands))
    if terms is None or name in kernel_names(node.owner):
        return None
    index = operands.index(place)
    other = operands[1 - index]
    tensor, weight, output = terms[1 - index], terms[index], terms[2]
    sizes = dict(zip(weight, arguments[place].shape, strict=True))
    given_sizes = dict(zip(tensor, arguments[other].shape, strict=True))
    repeated = [x for x, size in given_sizes.items() if size == 1 != sizes.get(x, 1)]
    kept = "".join(x for x in tensor if x not in repeated)
    places = tuple(map(tensor.index, repeated))
    product = WeightProduct(node.owner, name, other, kept, weight, output, places)
    is_known = all(sizes.get(x, given_sizes[x]) == given_sizes[x] for x in kept)
    is_whole = all(len(set(term)) == len(term) for term in (tensor, weight, output))
    return product if is_known and is_whole and product.is_matrix else None
