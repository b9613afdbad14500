"""From a quantization-aware model to a model of integer layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from kerasopt.graph import Graph, Group, Groups, is_masked, masked, recorded_graph, unwrap
from kerasopt.lowering.builder import Builder
from kerasopt.lowering.float_warning import warn_about_floats
from kerasopt.lowering.in_place import converted_in_place, keeps_class
from kerasopt.lowering.quantizers import activation_quantizer, has_only_zeros
from kerasopt.lowering.requirements import SPARSE, check, passes_integers, rounds_activations
from kerasopt.lowering.sparse import choose_sparse
from kerasopt.lowering.table import patterns, takes_int16
from kerasopt.lowering.values import StaysFloat, Value
from kerasopt.quantization import MASKED, specs

_ONLY_ZEROS = "no data made any of its values but zero, so they have no range"


def convert(model: keras.Model, target: str = "int8", batch_size: int = 1) -> keras.Model:
    """Converts a quantization-aware model to one that computes with integers.

    Each layer with a kernel, with its batch normalization and ReLU folded in, becomes one integer
    layer on `kerasopt.ops`; so do additions, products, averages, normalizations, attention and
    elementwise functions between them. int8 tensors flow from one to the next, or int16 ones with
    the spec `"int16x8"`. Inputs and outputs of the new model are float32 as before. What has no
    integer form, or no quantizer, runs as the float layer it was, its weights in the bits that they
    are rounded to.

    ```python
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.QuantizationAware("int8")])
    int8 = ko.convert(model, "int8")
    int8.predict(x)
    ```

    With the target `"sparse"`, each `Dense` layer and each pointwise convolution is timed on this
    machine, with a dense and with a sparse kernel, and gets the faster one; a table of what was
    measured is printed. A quantized model becomes one of integers before, in which blocks of 4x1
    (`Pruning(pattern="block4x1")`) are left out, other models stay float, and leave out single
    weights. Nothing else of it changes.

    ```python
    model.fit(x, y, epochs=10, callbacks=[ko.callbacks.Pruning(0.9)])
    sparse = ko.convert(model, "sparse", batch_size=32)
    ```

    Args:
        model: A `keras.Model`, trained with `kerasopt.callbacks.QuantizationAware` or from
            `kerasopt.quantize`. Nested models are flattened. A subclassed one is called on
            symbols to learn what it computes; the new model takes images and sequences of any
            size if it does, and several inputs as the list or dictionary that its `call` takes.
            (`keras.Model(x := keras.Input((32, 32, 3)), converted(x))` has a fixed size.) It is
            not changed.
        target: `"int8"`, or the alias of the `kerasopt.quantization.Spec` that the model was
            quantized with. Layers whose activations are no integers of 8 bits and one range (or
            of 16: convolutions, dense layers and additions) stay float, and hold their weights in
            the bits that those are rounded to; dense layers and convolutions with weights of 16
            bits have kernels of their own. Or `"sparse"`, for which the model needs no quantizers.
        batch_size: Positive integer, at which `"sparse"` measures.

    Returns:
        A new functional `keras.Model` with inputs and outputs like those of `model`. It is not
        compiled, and has no weights to train. Of a model with code of its own (a subclassed one, a
        task of keras-hub) without static ranges of activations, a copy of the same class, whose
        layers compute in their places.

    Raises:
        TypeError: If `model` is no Keras model.
        ValueError: If `target` is unknown or another spec than the model's, the model is not
            built, cannot be called on symbols, has no quantizers or quantizers that have seen no
            range of values, or weights that are not finite.

    Warns:
        UserWarning: If parts of the model stay in float32, with the reason for each.

    Reference:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference" (2018, https://arxiv.org/abs/1712.05877).
    """
    targets = sorted([*specs.ALIASES, SPARSE])
    if target not in targets:
        raise ValueError(f"`target` must be one of {targets}. Received: target={target!r}")
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(f"`batch_size` must be a positive integer. Received: {batch_size!r}")
    check(model, target)
    if target != SPARSE and keeps_class(model):
        return converted_in_place(model)
    converted, floats = _lowered(model)
    if rounds_activations(model):
        warn_about_floats(model, floats, passes_integers(model))
    result = keras.Model(*converted, name=f"{model.name}_{target}")
    return choose_sparse(result, batch_size) if target == SPARSE else result


def _lowered(model: keras.Model) -> tuple[tuple[Any, Any], dict[Group, str]]:
    """Returns inputs and outputs of the new model, and what stays float with the reasons."""
    graph = recorded_graph(model)
    builder = Builder(model)
    builder.masks.given = graph.masks
    new_inputs = _add_inputs(graph, builder)
    floats: dict[Group, str] = {}
    masks = masked(graph)
    for group in _parts(Groups(graph)):
        try:
            _lower(group, builder)
        except StaysFloat as reason:
            for node in group.nodes:
                builder.run_as_float(node)
            if is_masked(group.anchor, masks):
                floats[group] = MASKED
            elif not builder.multiplies_integers(group.anchor):
                floats[group] = _ONLY_ZEROS if has_only_zeros(group) else str(reason)
        for node in group.nodes:
            builder.masks.follow(node)
    flat = [builder.output(edge) for edge in graph.outputs]
    return (new_inputs, graph.packed(flat)), floats


def _lower(group: Group, builder: Builder) -> None:
    """Lowers `group` by the first pattern that is for groups of its kind.

    Raises:
        StaysFloat: If there is none, or the group cannot be lowered.
    """
    found = ((name, module) for name, module in patterns().items() if module.matches(group))
    name, pattern = next(found, ("", None))
    kind = type(unwrap(group.anchor.operation)).__name__
    if pattern is None:
        raise StaysFloat(f"{kind} has no integer form")
    if builder.has_int16(group) and not takes_int16(name):
        raise StaysFloat(f"{kind} has no form with integers of 16 bits")
    if name != "attention" and builder.masks.arguments(group.anchor):
        raise StaysFloat("with a mask it has no integer form")
    pattern.lower(group, builder)


def _add_inputs(graph: Graph, builder: Builder) -> object:
    """Creates the inputs of the new model; returns them in the structure of the model's."""
    flat = []
    for edge in graph.inputs:
        old, name = edge.tensor, builder.name(edge.source)
        tensor = keras.Input(batch_shape=old.shape, dtype=old.dtype, name=name)
        builder.put(edge.source, Value(tensor))
        flat.append(tensor)
    return keras.tree.pack_sequence_as(graph.input, flat)


def _parts(groups: Groups) -> Iterator[Group]:
    """Yields the groups to lower: without inputs, cut where a quantizer stands inside."""
    for group in groups:
        if group.anchor.is_input:
            continue
        begin = 0
        for end, node in enumerate(group.nodes, start=1):
            quantized = activation_quantizer(node.operation, "output") is not None
            if quantized or node is group.output:
                yield Group(group.nodes[begin:end], group.transparent)
                begin = end
