"""The placement of quantizers in a model."""

from collections.abc import Iterable, Iterator, Sequence

import keras

from kerasopt import graph
from kerasopt.graph import Group
from kerasopt.quantization.activations import DynamicQuantizer
from kerasopt.quantization.attention import attention_sites, projections
from kerasopt.quantization.float_tables import warn_of_tables
from kerasopt.quantization.formats import Format
from kerasopt.quantization.integer_groups import (
    IntegerGroups,
    exact_groups,
    is_quantizable,
    rounds_rows,
)
from kerasopt.quantization.matrix_products import factor_sites
from kerasopt.quantization.recipe import Recipe
from kerasopt.quantization.site import Site, activation_site, weight_sites
from kerasopt.quantization.weight_products import (
    owners_of_products,
    weight_product_sites,
    with_products,
)
from kerasopt.warning import warn


def wrap_operations(model: keras.Model) -> None:
    """Wraps operations that need a quantizer but are not layers in layers."""
    groups = graph.Groups(graph.Graph.of(model))
    exact = exact_groups(groups)
    for group in groups:
        # A bare operation has its own integer form, or follows a kernel.
        is_rounded = not group.transparent and id(group) not in exact
        if is_rounded and is_quantizable(group.anchor.operation):
            graph.wrap_operation(group.anchor)
            graph.wrap_operation(group.output)


def find_sites(
    model: keras.Model,
    recipe: Recipe,
    rules: list,
    widths: Iterable[int] = (),
    only_trained: bool = False,
) -> list[Site]:
    """Returns the sites of quantizers in `model`, by rules.

    Args:
        model: A built model. Operations that need a quantizer but are not layers are wrapped in
            layers.
        recipe: The `Recipe` of layers that no rule matches.
        rules: List of (selector, `Recipe`), first match wins; `None` leaves a layer float.
        widths: Bit widths that existing quantizers may have, if wider.
        only_trained: Boolean, whether frozen layers stay float unless a rule names them.

    Raises:
        ValueError: If there is nothing to quantize, or a site has a quantizer that rounds in
            another way.
    """
    graph.require_built(model)
    recipes = [recipe, *(each for _, each in rules if each is not None)]
    if any(each.is_static for each in recipes):
        graph.divide_operations(model)
    wrap_operations(model)
    frozen = graph.frozen_layers(model) if only_trained else ()
    read = graph.Graph.of(model)
    owners = owners_of_products(read)
    selected = graph.select(
        graph.layers(model),
        rules,
        recipe,
        lambda layer: is_quantizable(layer) or id(layer) in owners,
        frozen,
    )
    found = {id(layer): recipe for _, layer, recipe in selected}
    sites = list(placement(model, with_products(read, found, rules), read))
    if not sites:
        raise ValueError(
            f"Model '{model.name}' has nothing to quantize: no layer that "
            f"{'trains, and that ' if only_trained else ''}the rules leave, has a kernel. "
            f"Received: rules for {[selector for selector, _ in rules]}"
        )
    for site in sites:
        site.check_free((0, *widths))
    _warn_of_constants(sites)
    warn_of_tables(model, sites, rules, frozen)
    _warn_of_matrices(model, rules, sites)
    return sites


def _warn_of_matrices(model: keras.Model, rules: Sequence, sites: list[Site]) -> None:
    selected = {(id(site.layer), site.slot) for site in sites}
    left = graph.large_matrices_left_out(model, rules, selected)
    if left:
        warn(
            f"{sum(left.values()):,} values of '{model.name}' stay float32, since their weights "
            "are not called `kernel`, and no `keras.ops.matmul` or `einsum` multiplies with them. "
            "Rename the attribute of the layer to `kernel`, or silence this warning with a rule "
            f"(name, None). Received: weights {list(left)[:3]}",
        )


def _warn_of_constants(sites: list[Site]) -> None:
    constant = [site.path for site in sites if site.is_constant]
    if constant:
        warn(
            "Binary activations are signs, and after a ReLU all signs are equal: no information is "
            f"left after {len(constant)} layers. Replace the ReLUs, or give these layers a rule "
            f"with another spec, such as 'binary_int8'. Received: {constant[:3]}",
        )


def placement(model: keras.Model, recipes: dict[int, Recipe], read: graph.Graph) -> Iterator[Site]:
    """Yields the sites of quantizers in `model`.

    A kernel with the batch normalization and the activation that follow it is
    one group, which becomes one integer kernel: its weights and its final
    output are quantized. Residual additions, averages and products of
    matrices, with a scale for each factor, are quantized, too. So is the input
    of a layer's own activation, unless that is a clamp. A sum of floats, like
    that of embeddings, is rounded only after it. Other functions,
    products and normalizations are quantized between integer groups. Reshaping,
    padding and max pooling pass integers on. Groups whose outputs
    only go to one concatenation share its scale. A group whose input comes from
    outside of all groups quantizes it. An embedding that is called in reverse
    has no scale for both of its calls, so it rounds each row that it multiplies
    to int8 by a scale of its own.

    Masks, and the tensors that they are added to (`graph.masked`), are never
    rounded. Dynamic ranges are used only for the inputs of dense layers, the
    only ones that can multiply such integers, wherever they are.

    Inside layers that hide their graph (RNNs, an attention layer that is not
    quantized as a whole, layers that cannot be recorded) only weights are
    quantized; in a model that cannot be recorded, also the inputs of layers
    with kernels.

    Args:
        model: A built model; call `wrap_operations` before.
        recipes: Dict of the id of a layer to its `Recipe`; other layers stay float.
        read: The `Graph` of the model.
    """
    groups = IntegerGroups(graph.Groups(read), recipes)
    placed: set[tuple[int, str]] = set()
    for group in groups.groups:
        recipe = groups.recipe(group)
        if recipe is None or group.transparent:
            continue
        for site in _sites_of(group, groups, recipe):
            if (id(site.layer), site.slot) not in placed:
                placed.add((id(site.layer), site.slot))
                yield site
    visible = {id(node.operation) for node in groups.groups.graph}
    visible |= {id(dense) for each in groups.attentions for dense in projections(each)}
    is_unknown = not groups.groups.graph.nodes
    for path, layer in graph.layers(model):
        if id(layer) not in visible and id(layer) in recipes:
            yield from _sites_of_hidden(path, layer, recipes[id(layer)], is_unknown)


def _sites_of(group: Group, groups: IntegerGroups, recipe: Recipe) -> Iterator[Site]:
    path, anchor = group.anchor.path, group.anchor.operation
    reads_integers = all(map(groups.has_integers_after, group.inputs))
    if anchor in groups.attentions:
        yield from attention_sites(path, anchor, groups.recipes, reads_integers)
    yield from weight_sites(path, anchor, recipe)
    if groups.matrix_product(group) is not None:
        yield from factor_sites(group, groups, recipe)
    elif graph.weight_product(group.anchor) is not None:
        yield from weight_product_sites(group, recipe, reads_integers)
    elif graph.is_reverse(group.anchor):
        yield from _sites_of_reverse(path, anchor, recipe)
    elif groups.reads(group) and not reads_integers:
        yield from activation_site(path, anchor, "input", recipe)
    if groups.rounds_between(group):
        yield from activation_site(path, anchor, "between", recipe)
    if groups.rounds_before_activation(group):
        yield from activation_site(path, anchor, "pre_activation", recipe)
    if groups.has_own_scale(group):
        output = group.output
        how = {
            "range": graph.known_range(output.operation),
            "symmetric": groups.is_symmetric(group),
        }
        yield from activation_site(output.path, output.operation, "output", recipe, **how)


def _sites_of_reverse(path, table, recipe):
    if recipe.is_static and recipe.spec.activations == Format(8):
        yield Site(path, table, "input", DynamicQuantizer())


def _sites_of_hidden(path, layer, recipe, reads_integers):
    yield from weight_sites(path, layer, recipe)
    if recipe.is_dynamic:
        rounds = rounds_rows(layer)  # nothing but the layer needs to know
    else:
        rounds = reads_integers and bool(graph.kernel_names(layer))
    if rounds:
        yield from activation_site(path, layer, "input", recipe)
