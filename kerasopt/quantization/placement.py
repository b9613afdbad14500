"""Where the quantizers of a model go."""

from collections.abc import Iterator
from typing import NamedTuple

import keras

from kerasopt import graph
from kerasopt.parametrization import read_until
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.recipe import Recipe

# Layers without a kernel whose result needs a range of its own, since they
# compute new values and have an integer form.
_REQUANTIZING = (
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
)


class Site(NamedTuple):
    """A slot of the layer at `path` of the model that gets a quantizer."""

    path: str
    layer: keras.layers.Layer
    slot: str
    quantizer: Quantizer

    def enable(self) -> None:
        """Lets the quantizer, which is in its place, round from now on."""
        is_weight = self.slot not in ("input", "output")
        value = read_until(self.layer, self.slot, self.quantizer) if is_weight else None
        self.quantizer.settle(value)
        self.quantizer.enabled.assign(True)


def wrap_operations(model: keras.Model) -> None:
    """Gives the operations that are no layers, but need a quantizer, a layer to hold it."""
    for group in graph.Groups(graph.Graph.of(model)):
        anchor = group.anchor
        if graph.has_kernel(anchor.operation) or graph.is_residual(
            anchor.operation, len(anchor.inputs)
        ):
            graph.wrap_operation(anchor)
            graph.wrap_operation(group.output)


def find_sites(model: keras.Model, recipe: Recipe, rules: list) -> list[Site]:
    """Returns where quantizers go in `model`, by rules.

    Args:
        model: A built model. Operations that are no layers, but need a quantizer,
            are given a layer to hold it.
        recipe: The `Recipe` of layers that no rule matches.
        rules: List of (selector, `Recipe`), first match wins; `None` leaves a layer float.

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
        _check_free(site)
    return sites


def _check_free(site: Site) -> None:
    for link in getattr(site.layer, "parametrizations", {}).get(site.slot, ()):
        if isinstance(link, Quantizer) and not link.equals(site.quantizer):
            raise ValueError(
                f"'{site.path}/{site.slot}' is quantized already, by {link.described()}. Pass what "
                f"it was quantized with, leave the layer out with a rule ({site.path!r}, None), or "
                "call `kerasopt.finalize(model)` first. "
                f"Received: {site.quantizer.described()}"
            )


def placement(model: keras.Model, recipes: dict[int, Recipe]) -> Iterator[Site]:
    """Yields where quantizers go in `model`.

    A kernel, the batch normalization after it and the activation after that are
    one group, which becomes one integer kernel: its weights are quantized, and
    its output after the last of them. So are residual additions and averages.
    Reshaping, padding and pooling by maximum pass integers on. A group whose
    input comes from outside of all groups quantizes it.

    Inside layers that hide their graph (subclassed models, `MultiHeadAttention`,
    RNNs) weights are quantized, and the inputs of the layers with kernels
    except in RNN cells; what else is computed there stays float.

    Args:
        model: A built model; call `wrap_operations` before.
        recipes: Dict of the id of a layer to its `Recipe`; other layers stay float.
    """
    groups = graph.Groups(graph.Graph.of(model))
    visible: set[int] = set()
    placed: set[tuple[int, str]] = set()
    for group in groups:
        visible.update(id(node.operation) for node in group.nodes)
        for site in _sites_of_group(group, groups, recipes):
            if (id(site.layer), site.slot) not in placed:
                placed.add((id(site.layer), site.slot))
                yield site
    for path, layer in graph.layers(model):
        if id(layer) not in visible and id(layer) in recipes:
            yield from _sites_of_hidden(path, layer, recipes[id(layer)])


def is_quantizable(layer: keras.layers.Layer) -> bool:
    """Whether a layer is quantized unless a rule says otherwise."""
    operation = graph.unwrap(layer)
    return (
        bool(graph.kernel_names(layer))
        or isinstance(operation, _REQUANTIZING)
        or graph.is_residual(operation, 2)
    )


def _sites_of_group(group, groups, recipes):
    anchor = group.anchor.operation
    recipe = recipes.get(id(anchor))
    if recipe is None or group.transparent:
        return
    path = group.anchor.path
    yield from _weight_sites(path, anchor, recipe)
    # The input of an embedding are indices.
    if not isinstance(anchor, keras.layers.Embedding) and any(
        _is_float(groups.origin(edge), recipes) for edge in group.inputs
    ):
        yield from _activation_site(path, anchor, "input", recipe)
    if _has_integer_output(group):
        output = group.output
        yield from _activation_site(output.path, output.operation, "output", recipe)


def _has_integer_output(group):
    # A layer's own activation that is no clamp (softmax, gelu) computes in float.
    anchor = group.anchor.operation
    return not graph.has_kernel(anchor) or graph.activation_bounds(anchor) is not None


def _is_float(origin, recipes):
    return id(origin.anchor.operation) not in recipes or not _has_integer_output(origin)


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
