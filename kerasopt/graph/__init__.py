"""A model as layers, operations and edges, with nested models expanded."""

from kerasopt.graph.cloning import Copies, clone
from kerasopt.graph.einsum import product_axes
from kerasopt.graph.elementwise import (
    as_number,
    is_elementwise,
    is_elementwise_function,
    is_product,
    is_softmax,
    is_softmax_function,
    known_range,
    may_be_elementwise,
    softmax_axis,
)
from kerasopt.graph.frozen import frozen_layers
from kerasopt.graph.functional import functional_of
from kerasopt.graph.graph import Graph
from kerasopt.graph.groups import Group, Groups
from kerasopt.graph.kernel_layout import KernelLayout, kernel_layout
from kerasopt.graph.left_out import large_matrices_left_out
from kerasopt.graph.macs import Macs, multiply_accumulates
from kerasopt.graph.masks import is_bookkeeping, is_masked, masked
from kerasopt.graph.matrix_products import (
    MatrixProduct,
    matrix_product,
    may_be_matrix_product,
    scaling,
)
from kerasopt.graph.node import Edge, Node
from kerasopt.graph.operation_layer import OperationLayer, unwrap, without_layer
from kerasopt.graph.operations import (
    TRAINING_ONLY,
    activation_bounds,
    casts_floats,
    clamp_bounds,
    has_kernel,
    is_concatenation,
    is_layer_scale,
    is_linear,
    is_residual,
    is_reverse,
    own_activation,
    passes_on,
    residual_scale,
)
from kerasopt.graph.parametrized import chain_name, data_among, own_class, slots_of
from kerasopt.graph.recording import recorded, recorded_graph
from kerasopt.graph.rules import Rule, parse_rules
from kerasopt.graph.selection import Selection, WeightSelection, select, select_weights
from kerasopt.graph.traversal import is_channels_first, layers, require_built
from kerasopt.graph.unseen import unseen
from kerasopt.graph.weight_products import WeightProduct, weight_product
from kerasopt.graph.weights import (
    is_weight,
    kernel_names,
    own_variables,
    variables_of_weights,
    weight_names,
)
from kerasopt.graph.wrapping import divide_operations, unwrap_operations, wrap_operation

__all__ = [
    "TRAINING_ONLY",
    "Copies",
    "Edge",
    "Graph",
    "Group",
    "Groups",
    "KernelLayout",
    "Macs",
    "MatrixProduct",
    "Node",
    "OperationLayer",
    "Rule",
    "Selection",
    "WeightProduct",
    "WeightSelection",
    "activation_bounds",
    "casts_floats",
    "as_number",
    "chain_name",
    "clamp_bounds",
    "clone",
    "data_among",
    "divide_operations",
    "frozen_layers",
    "functional_of",
    "has_kernel",
    "is_bookkeeping",
    "is_channels_first",
    "is_concatenation",
    "is_elementwise",
    "is_elementwise_function",
    "is_layer_scale",
    "is_linear",
    "is_masked",
    "is_product",
    "is_residual",
    "is_reverse",
    "is_softmax",
    "is_softmax_function",
    "is_weight",
    "kernel_layout",
    "kernel_names",
    "known_range",
    "large_matrices_left_out",
    "layers",
    "masked",
    "matrix_product",
    "may_be_elementwise",
    "may_be_matrix_product",
    "multiply_accumulates",
    "own_activation",
    "own_class",
    "own_variables",
    "parse_rules",
    "passes_on",
    "product_axes",
    "recorded",
    "recorded_graph",
    "require_built",
    "residual_scale",
    "scaling",
    "select",
    "select_weights",
    "slots_of",
    "softmax_axis",
    "unseen",
    "unwrap",
    "unwrap_operations",
    "variables_of_weights",
    "weight_names",
    "weight_product",
    "without_layer",
    "wrap_operation",
]
