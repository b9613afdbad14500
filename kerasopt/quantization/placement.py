"""Where the quantizers of a model go."""

from collections.abc import Iterator
from typing import NamedTuple

import keras

from kerasopt import graph
from kerasopt.quantization.formats import Spec
from kerasopt.quantization.quantizers import ActivationQuantizer, Quantizer, WeightQuantizer

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


def wrap_operations(model: keras.Model) -> None:
    """Gives the operations that are no layers, but need a quantizer, a layer to hold it."""
    for group in graph.Groups(graph.Graph.of(model)):
        anchor = group.anchor
        if graph.has_kernel(anchor.operation) or graph.is_residual(
            anchor.operation, len(anchor.inputs)
        ):
            graph.wrap_operation(anchor)
            graph.wrap_operation(group.output)


def placement(model: keras.Model, specs: dict[int, Spec]) -> Iterator[Site]:
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
        specs: Dict of the id of a layer to its `Spec`; other layers stay float.
    """
    groups = graph.Groups(graph.Graph.of(model))
    visible: set[int] = set()
    placed: set[tuple[int, str]] = set()
    for group in groups:
        visible.update(id(node.operation) for node in group.nodes)
        for site in _sites_of_group(group, groups, specs):
            if (id(site.layer), site.slot) not in placed:
                placed.add((id(site.layer), site.slot))
                yield site
    for path, layer in graph.layers(model):
        if id(layer) not in visible and id(layer) in specs:
            yield from _sites_of_hidden(path, layer, specs[id(layer)])


def is_quantizable(layer: keras.layers.Layer) -> bool:
    """Whether a layer is quantized unless a rule says otherwise."""
    operation = graph.unwrap(layer)
    return (
        bool(graph.kernel_names(layer))
        or isinstance(operation, _REQUANTIZING)
        or graph.is_residual(operation, 2)
    )


def _sites_of_group(group, groups, specs):
    anchor = group.anchor.operation
    spec = specs.get(id(anchor))
    if spec is None or group.transparent:
        return
    path = group.anchor.path
    yield from _weight_sites(path, anchor, spec)
    # The input of an embedding are indices.
    if not isinstance(anchor, keras.layers.Embedding) and any(
        _is_float(groups.origin(edge), specs) for edge in group.inputs
    ):
        yield Site(path, anchor, "input", ActivationQuantizer(spec.activations))
    if _has_integer_output(group):
        output = group.output
        yield Site(output.path, output.operation, "output", ActivationQuantizer(spec.activations))


def _has_integer_output(group):
    # A layer's own activation that is no clamp (softmax, gelu) computes in float.
    anchor = group.anchor.operation
    return not graph.has_kernel(anchor) or graph.activation_bounds(anchor) is not None


def _is_float(origin, specs):
    return id(origin.anchor.operation) not in specs or not _has_integer_output(origin)


def _sites_of_hidden(path, layer, spec):
    yield from _weight_sites(path, layer, spec)
    # JAX cannot assign the range of an input inside the loop of an RNN.
    if graph.kernel_names(layer) and not hasattr(layer, "state_size"):
        yield Site(path, layer, "input", ActivationQuantizer(spec.activations))


def _weight_sites(path, layer, spec):
    for name in graph.weight_names(layer):
        yield Site(path, layer, name, WeightQuantizer(channel_axes(layer, name), spec.weights))


def channel_axes(layer: keras.layers.Layer, name: str) -> tuple[int, ...]:
    """Returns the axes of a weight along which every index has a scale of its own."""
    layout = graph.kernel_layout(layer, name)
    # Of a table one row is read at a time.
    return layout.inputs if name == "embeddings" else layout.outputs
