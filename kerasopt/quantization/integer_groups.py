"""Decides which groups of a graph read and write integers."""

from __future__ import annotations

import keras

from kerasopt import graph
from kerasopt.graph import Edge, Group, Groups, Node
from kerasopt.quantization.attention import attention_recipe
from kerasopt.quantization.recipe import Recipe

# Layers without a kernel that compute new values, so their result needs its own range, and that
# have an integer form. Their inputs are quantized.
_AVERAGES = (
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_NORMALIZATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def is_quantizable(layer: keras.layers.Layer) -> bool:
    """Whether a layer is quantized by default."""
    operation = graph.unwrap(layer)
    return (
        (isinstance(layer, keras.Layer) and bool(graph.kernel_names(layer)))
        or isinstance(operation, _AVERAGES)
        or _normalizes(operation)
        or graph.is_residual(operation, 2)
        or graph.is_product(operation, 2)
        or graph.is_concatenation(operation)
        or graph.is_softmax(operation)
        or graph.may_be_elementwise(operation)
        or graph.may_be_matrix_product(operation)
    )


def exact_groups(groups: Groups) -> set[int]:
    """Returns the ids of the groups that are never rounded, whatever the recipe.

    These are masks, counts and indices, operations on weights alone, and calls of operations that
    have an integer form only with other arguments (a subtraction of two tensors has none).
    """
    masks = graph.masked(groups.graph)
    unseen = graph.unseen(groups.graph)
    return {
        id(group)
        for group in groups
        if any(id(node) in masks for node in group.nodes)
        or not keras.backend.is_float_dtype(group.output.keras_node.outputs[0].dtype)
        or not _may_have_integers(group.anchor)
        or id(group.anchor) in unseen
    }


class IntegerGroups:
    """The quantized groups of a graph.

    Layers with a kernel, additions, averages and products of matrices read integers: their float
    inputs are rounded.
    Other groups with an integer form use it only between integer groups, so preprocessing of the
    network's input and postprocessing of its output stay float.

    Args:
        groups: The `Groups` of a model.
        recipes: Dict of the id of a layer to its `Recipe`; other layers stay float.

    Attributes:
        attentions: List of the `MultiHeadAttention` layers that are quantized as a whole.
    """

    def __init__(self, groups: Groups, recipes: dict[int, Recipe]):
        self.groups = groups
        self.recipes = recipes
        self._exact = exact_groups(groups)
        self.attentions = [
            group.anchor.operation
            for group in groups
            if attention_recipe(group.anchor.operation, recipes) is not None
        ]
        self._written: set[int] = set()
        # Concatenations with a scale, and the groups whose outputs share it.
        self._joined: set[int] = set()
        self._before: set[int] = set()
        # Groups that second factors of products of matrices come from.
        self._symmetric: set[int] = set()
        for group in reversed(list(groups)):
            if any(self._wants_integers(reader) for reader in self._readers(group)):
                self._before.add(id(group))
        for group in groups:
            if self._writes(group):
                self._written.add(id(group))
        for group in groups:
            self._joined.update(map(id, self._producers(group)))
            product = self.matrix_product(group)
            if product is not None:
                second = group.inputs[product.positions[1]]
                self._symmetric.add(id(groups.origin(second)))

    def recipe(self, group: Group) -> Recipe | None:
        """Returns the recipe of a group, or `None`."""
        if id(group) in self._exact:
            return None
        anchor = group.anchor.operation
        recipe = attention_recipe(anchor, self.recipes) or self.recipes.get(id(anchor))
        is_product = graph.matrix_product(group.anchor) is not None
        return None if is_product and recipe is not None and not recipe.is_static else recipe

    def matrix_product(self, group: Group) -> graph.MatrixProduct | None:
        """Returns the product of matrices that a group computes on integers, or `None`."""
        return None if self.recipe(group) is None else graph.matrix_product(group.anchor)

    def is_symmetric(self, group: Group) -> bool:
        """Whether the integers that a group writes have zero point 0.

        LiteRT supports no other in the second factor of a product of matrices.
        """
        return id(group) in self._symmetric

    def has_integers_after(self, edge: Edge) -> bool:
        """Whether a tensor already consists of integers when a group reads it."""
        return id(self.groups.origin(edge)) in self._written

    def reads(self, group: Group) -> bool:
        """Whether float inputs of a group are rounded."""
        recipe, anchor = self.recipe(group), group.anchor.operation
        if self._has_several_roles(group):
            return False
        if recipe is not None and recipe.is_dynamic:
            return rounds_rows(anchor)
        if self._adds_floats(group):
            return False
        # The inputs of an embedding are indices, and an attention layer has several inputs.
        others = (keras.layers.Embedding, keras.layers.MultiHeadAttention)
        return not (_is_between(group) or isinstance(anchor, others))

    def writes(self, group: Group) -> bool:
        """Whether a group writes integers."""
        return id(group) in self._written

    def has_own_scale(self, group: Group) -> bool:
        """Whether the integers that a group writes have their own scale."""
        return self.writes(group) and id(group) not in self._joined

    def rounds_between(self, group: Group) -> bool:
        """Whether the second convolution of a separable one reads integers."""
        recipe = self.recipe(group)
        is_separable = isinstance(group.anchor.operation, _SEPARABLE)
        return is_separable and recipe is not None and recipe.is_static

    def rounds_before_activation(self, group: Group) -> bool:
        """Whether the own activation of a layer with a kernel reads integers."""
        anchor, recipe = group.anchor.operation, self.recipe(group)
        return (
            recipe is not None
            and recipe.is_static
            and graph.has_kernel(anchor)
            and graph.activation_bounds(anchor) is None
        )

    def _wants_integers(self, group: Group) -> bool:
        if group.transparent:
            return id(group) in self._before
        recipe = self.recipe(group)
        if recipe is None:
            return False
        if _is_between(group):
            return id(group) in self._before
        return not isinstance(group.anchor.operation, keras.layers.Embedding)

    def _writes(self, group: Group) -> bool:
        recipe, anchor = self.recipe(group), group.anchor.operation
        if recipe is None or group.transparent or recipe.is_dynamic or recipe.activations is None:
            return False
        if self._has_several_roles(group):
            return False
        if graph.has_kernel(anchor) and graph.activation_bounds(anchor) is None:
            function = graph.own_activation(anchor)
            known = graph.is_elementwise_function(function) or graph.is_softmax_function(function)
            return known and recipe.is_static and id(group) in self._before
        if not _is_between(group):
            return True
        if graph.is_concatenation(anchor) and self._producers(group):
            return True
        inputs = all(self.has_integers_after(edge) for edge in group.inputs)
        return inputs and recipe.is_static and id(group) in self._before

    def _adds_floats(self, group: Group) -> bool:
        """Whether a group is a sum of computed floats, like embeddings: it is rounded once."""
        origins = list(map(self.groups.origin, group.inputs))
        return graph.is_residual(group.anchor.operation, len(origins)) and not any(
            origin.anchor.is_input or id(origin) in self._written for origin in origins
        )

    def _has_several_roles(self, group: Group) -> bool:
        """Whether a layer is a table in one call and a kernel in another: no range fits both."""
        calls = self.groups.graph.calls(group.anchor.operation)
        return any(graph.is_reverse(call) for call in calls)

    def _producers(self, group: Group) -> list[Group]:
        """Returns the inputs of a concatenation, if all of them can be rounded to one scale."""
        if not graph.is_concatenation(group.anchor.operation) or not self._is_called_once(group):
            return []
        producers = []
        for edge in group.inputs:
            node, producer = edge.source, self.groups.of(edge.source)
            while producer.transparent and _has_one_reader(node):
                node = producer.inputs[0].source
                producer = self.groups.of(node)
            if (
                not _has_one_reader(node)
                or not self._is_called_once(producer)
                or not self.writes(producer)
            ):
                return []
            producers.append(producer)
        return producers if self.recipe(group) is not None else []

    def _readers(self, group: Group) -> list[Group]:
        return [self.groups.of(node) for node in group.output.consumers]

    def _is_called_once(self, group: Group) -> bool:
        return all(len(self.groups.graph.calls(node.operation)) == 1 for node in group.nodes)


def rounds_rows(layer: keras.Operation) -> bool:
    """Whether a layer multiplies dynamically quantized inputs."""
    return graph.product_axes(layer) is not None


def _may_have_integers(node: Node) -> bool:
    """Whether a call has an integer form. Rules may name layers in any case."""
    operation, inputs = graph.unwrap(node.operation), len(node.inputs)
    return (
        isinstance(operation, keras.Layer)
        or graph.is_residual(operation, inputs)
        or graph.is_product(operation, inputs)
        or graph.is_concatenation(operation)
        or graph.is_softmax(operation)
        or graph.is_elementwise(node)
        # A product of masks is a mask.
        or (graph.matrix_product(node) is not None and not graph.is_bookkeeping(node))
        or graph.weight_product(node) is not None
    )


def _is_between(group: Group) -> bool:
    """Whether a group uses integers only between integer groups."""
    anchor = group.anchor
    operation = graph.unwrap(anchor.operation)
    return (
        graph.is_concatenation(operation)
        or graph.is_elementwise(anchor)
        or graph.is_product(operation, len(anchor.inputs))
        or graph.is_softmax(operation)
        or _normalizes(operation)
    )


def _normalizes(operation) -> bool:
    return isinstance(operation, _NORMALIZATIONS) or graph.is_layer_scale(operation)


def _has_one_reader(node) -> bool:
    return len(node.consumers) == 1 and not node.is_output
