"""Where the quantizers of a model go."""

import warnings
from collections.abc import Iterable, Iterator

import keras

from kerasopt import graph
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site

# Layers without a kernel whose result needs a range of its own, since they
# compute new values and have an integer form.
_REQUANTIZING = (
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
)


def wrap_operations(model: keras.Model) -> None:
    """Gives the operations that are no layers, but need a quantizer, a layer to hold it."""
    for group in graph.Groups(graph.Graph.of(model)):
        anchor = group.anchor
        if (
            graph.has_kernel(anchor.operation)
            or graph.is_residual(anchor.operation, len(anchor.inputs))
            or graph.is_concatenation(anchor.operation)
        ):
            graph.wrap_operation(anchor)
            graph.wrap_operation(group.output)


def find_sites(
    model: keras.Model, recipe: Recipe, rules: list, widths: Iterable[int] = ()
) -> list[Site]:
    """Returns where quantizers go in `model`, by rules.

    Args:
        model: A built model. Operations that are no layers, but need a quantizer,
            are given a layer to hold it.
        recipe: The `Recipe` of layers that no rule matches.
        rules: List of (selector, `Recipe`), first match wins; `None` leaves a layer float.
        widths: Bits that quantizers which are there already may have, if those are more.

    Raises:
        ValueError: If there is none, or one has a quantizer that rounds in another way.
    """
    graph.require_built(model)
    wrap_operations(model)
    selected = graph.select(graph.layers(model), rules, recipe, is_quantizable)
    sites = list(placement(model, {id(layer): recipe for _, layer, recipe in selected}))
    if not sites:
        raise ValueError(
            f"Model '{model.name}' has nothing to quantize: no layer that the rules leave has "
            f"a kernel. Received: rules={rules}"
        )
    for site in sites:
        site.check_free((0, *widths))
    _warn_of_constants(sites)
    return sites


def _warn_of_constants(sites: list[Site]) -> None:
    constant = [site.path for site in sites if site.is_constant]
    if constant:
        warnings.warn(
            "One bit says whether an activation is negative, and after a ReLU none is: nothing of "
            f"the data is left after {len(constant)} layers. Replace the ReLUs, or give these "
            f"layers a rule with another spec, such as 'binary_int8'. Received: {constant[:3]}",
            stacklevel=4,
        )


def placement(model: keras.Model, recipes: dict[int, Recipe]) -> Iterator[Site]:
    """Yields where quantizers go in `model`.

    A kernel, the batch normalization after it and the activation after that are
    one group, which becomes one integer kernel: its weights are quantized, and
    its output after the last of them. So are residual additions and averages.
    Reshaping, padding and pooling by maximum pass integers on. Groups whose
    outputs go to nothing but one concatenation have its scale, and no own. A
    group whose input comes from outside of all groups quantizes it.

    Inside layers that hide their graph (subclassed models, `MultiHeadAttention`,
    RNNs) weights are quantized, and the inputs of the layers with kernels
    except in RNN cells; what else is computed there stays float.

    Args:
        model: A built model; call `wrap_operations` before.
        recipes: Dict of the id of a layer to its `Recipe`; other layers stay float.
    """
    groups = _QuantizedGroups(graph.Groups(graph.Graph.of(model)), recipes)
    placed: set[tuple[int, str]] = set()
    for site in groups.sites():
        if (id(site.layer), site.slot) not in placed:
            placed.add((id(site.layer), site.slot))
            yield site
    for path, layer in graph.layers(model):
        if id(layer) not in groups.visible and id(layer) in recipes:
            yield from _sites_of_hidden(path, layer, recipes[id(layer)])


def is_quantizable(layer: keras.layers.Layer) -> bool:
    """Whether a layer is quantized unless a rule says otherwise."""
    operation = graph.unwrap(layer)
    return (
        bool(graph.kernel_names(layer))
        or isinstance(operation, _REQUANTIZING)
        or graph.is_residual(operation, 2)
        or graph.is_concatenation(operation)
    )


class _QuantizedGroups:
    """The groups of a graph, some of which are quantized."""

    def __init__(self, groups: graph.Groups, recipes: dict[int, Recipe]):
        self._groups = groups
        self._recipes = recipes
        self.visible = {id(node.operation) for node in groups.graph}
        # Concatenations that have a scale, and the groups whose outputs have it instead of an own.
        self._joining: set[int] = set()
        self._joined: set[int] = set()
        for group in groups:
            producers = self._producers(group)
            if producers:
                self._joining.add(id(group))
                self._joined.update(map(id, producers))

    def sites(self) -> Iterator[Site]:
        for group in self._groups:
            recipe = self._recipe(group)
            if recipe is not None and not group.transparent:
                yield from self._sites_of(group, recipe)

    def _sites_of(self, group, recipe):
        path, anchor = group.anchor.path, group.anchor.operation
        yield from _weight_sites(path, anchor, recipe)
        if self._takes_integers(group) and not all(
            self._has_integer_output(self._groups.origin(edge)) for edge in group.inputs
        ):
            yield from _activation_site(path, anchor, "input", recipe)
        if self._has_integer_output(group) and id(group) not in self._joined:
            output = group.output
            yield from _activation_site(output.path, output.operation, "output", recipe)

    def _recipe(self, group) -> Recipe | None:
        return self._recipes.get(id(group.anchor.operation))

    def _takes_integers(self, group) -> bool:
        anchor = group.anchor.operation
        # The input of an embedding are indices.
        return not isinstance(anchor, keras.layers.Embedding) and not graph.is_concatenation(anchor)

    def _has_integer_output(self, group) -> bool:
        anchor = group.anchor.operation
        if self._recipe(group) is None:
            return False
        if graph.is_concatenation(anchor):
            return id(group) in self._joining
        # A layer's own activation that is no clamp (softmax, gelu) computes in float.
        return not graph.has_kernel(anchor) or graph.activation_bounds(anchor) is not None

    def _producers(self, group) -> list:
        """Returns what a concatenation joins, if it can all be rounded to one scale at once."""
        if not graph.is_concatenation(group.anchor.operation) or not self._is_called_once(group):
            return []
        producers = []
        for edge in group.inputs:
            node, producer = edge.source, self._groups.of(edge.source)
            while producer.transparent and _has_one_reader(node):
                node = producer.inputs[0].source
                producer = self._groups.of(node)
            if (
                not _has_one_reader(node)
                or not self._is_called_once(producer)
                or not self._has_integer_output(producer)
            ):
                return []
            producers.append(producer)
        return producers if self._recipe(group) is not None else []

    def _is_called_once(self, group) -> bool:
        return all(len(self._groups.graph.calls(node.operation)) == 1 for node in group.nodes)


def _has_one_reader(node) -> bool:
    return len(node.consumers) == 1 and not node.is_output


def _sites_of_hidden(path, layer, recipe):
    yield from _weight_sites(path, layer, recipe)
    # JAX cannot assign the range of an input inside the loop of an RNN.
    if graph.kernel_names(layer) and not hasattr(layer, "state_size"):
        yield from _activation_site(path, layer, "input", recipe)


def _weight_sites(path, layer, recipe):
    for name in graph.weight_names(layer):
        quantizer = recipe.weight(layer, name)
        if quantizer is not None:
            yield Site(path, layer, name, quantizer)


def _activation_site(path, layer, slot, recipe):
    quantizer = recipe.activation()
    if quantizer is not None:
        yield Site(path, layer, slot, quantizer)
