import keras
import numpy as np
import pytest
from graph.models import Subclassed, nested, residual_cnn
from keras import layers

from kerasopt.graph import Graph


def paths(nodes):
    return [node.path for node in nodes]


def test_nodes_are_in_topological_order():
    graph = Graph.of(residual_cnn())
    position = {id(node): i for i, node in enumerate(graph)}
    for node in graph:
        assert all(position[id(edge.source)] < position[id(node)] for edge in node.inputs)
    assert len(graph) == 14
    assert graph.nodes[0].is_input and graph.nodes[-1].is_output


def test_operations_are_nodes():
    graph = Graph.of(residual_cnn())
    (add,) = [node for node in graph if node.path == "add" or node.path.startswith("add_")]
    assert not add.is_layer
    assert paths(edge.source for edge in add.inputs) == ["conv_relu", "project_bn"]
    assert paths(add.consumers) == ["out"]


def test_a_shared_layer_has_a_node_for_each_call():
    shared = layers.Dense(4, name="shared")
    inputs = keras.Input((4,))
    graph = Graph.of(keras.Model(inputs, shared(shared(inputs))))
    first, second = graph.calls(shared)
    assert second.inputs[0].source is first
    assert not first.is_output and second.is_output


def test_nested_models_are_taken_apart_at_every_call():
    graph = Graph.of(nested())
    assert paths(graph).count("inner/dense") == 2
    assert not any(isinstance(node.operation, keras.Model) for node in graph)
    (top,) = [node for node in graph if node.path == "head/top"]
    (total,) = [edge.source for edge in top.inputs]
    assert total.path.startswith("add")
    # The second call of the inner model reads the end of the first one.
    first, second = [node for node in graph if node.path == "inner/dense"]
    assert first.inputs[0].source.is_input
    assert second.inputs[0].source.path.startswith("inner/multiply")
    assert first.owner is second.owner and first.owner.name == "inner"


def test_several_inputs_and_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner_a, inner_b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inner = keras.Model([inner_a, inner_b], [inner_a - inner_b, inner_b], name="inner")
    difference, same = inner({"b": b, "a": a})
    graph = Graph.of(keras.Model([a, b], [same, layers.Dense(2, name="d")(difference)]))
    assert paths(edge.source for edge in graph.outputs) == ["b", "d"]
    (subtract,) = [node for node in graph if node.path.startswith("inner/subtract")]
    assert paths(edge.source for edge in subtract.inputs) == ["a", "b"]


def test_an_operation_with_several_outputs_numbers_its_edges():
    inputs = keras.Input((4,))
    left, right = keras.ops.split(inputs, 2, axis=-1)
    graph = Graph.of(keras.Model(inputs, layers.Dense(2, name="d")(right) + left))
    (dense,) = [node for node in graph if node.path == "d"]
    assert dense.inputs[0].index == 1
    assert graph.nodes[-1].inputs[1].index == 0


def test_a_model_cut_out_of_another_has_its_own_graph():
    model = residual_cnn()
    cut = keras.Model(model.get_layer("conv_relu").output, model.get_layer("out").output)
    graph = Graph.of(cut)
    assert paths(graph)[1] == "depthwise"
    assert graph.nodes[0].is_input and paths(e.source for e in graph.outputs) == ["out"]


def test_composite_layers_are_one_node():
    inputs = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    graph = Graph.of(keras.Model(inputs, x))
    assert paths(graph)[1:] == ["attention"]
    assert len(graph.nodes[1].inputs) == 2
    assert len(graph.nodes[0].consumers) == 2


def test_a_subclassed_model_is_its_calls():
    model = Subclassed()
    model(np.zeros((1, 3), "float32"))
    paths = [node.path for node in Graph.of(model)]
    assert paths[1:] == ["blocks/0", "blocks/1", "heads/left", "backbone/last"]


@pytest.mark.parametrize(
    "name, size, operations", [("MobileNetV3Small", 32, 18), ("ConvNeXtTiny", 32, 18)]
)
def test_applications(name, size, operations):
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    graph = Graph.of(model)
    assert sum(not node.is_layer for node in graph) == operations
    assert {id(node.operation) for node in graph if node.is_layer} >= {
        id(layer) for layer in model.layers if not isinstance(layer, keras.Sequential)
    }


def test_an_unbuilt_sequential_model_raises():
    with pytest.raises(ValueError, match="Received: model=plain"):
        Graph.of(keras.Sequential([layers.Dense(2)], name="plain"))


def test_a_layer_is_no_model():
    with pytest.raises(TypeError, match="`model` must be"):
        Graph.of(layers.Dense(2))


def test_inputs_are_in_the_order_of_the_model():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    model = keras.Model({"second": b, "first": a}, keras.ops.concatenate([a, b], axis=-1))
    graph = Graph.of(model)
    assert [edge.tensor.name for edge in graph.inputs] == [x.name for x in model.inputs]
    fed = graph.feed({"first": np.zeros((3, 4)), "second": np.ones((3, 2))})
    assert {edge.source.path: x.shape for edge, x in fed.items()} == {"a": (3, 4), "b": (3, 2)}


def test_edges_of_one_tensor_are_equal():
    inputs = keras.Input((4,))
    left, right = keras.ops.split(inputs, 2, axis=-1)
    model = keras.Model(inputs, layers.Dense(2, name="d")(left) + left + right)
    (split,) = [node for node in Graph.of(model) if len(node.outputs) == 2]
    read = [edge for node in split.consumers for edge in node.inputs if edge.source is split]
    assert set(read) == set(split.outputs) and len(read) > 2
    assert [edge.tensor is x for edge, x in zip(split.outputs, (left, right), strict=True)]


def test_calls_repeated_on_other_tensors_compute_what_the_model_does():
    model = nested()
    x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
    graph = Graph.of(model)
    values = graph.feed(x)
    for node in graph:
        if not node.is_input:
            results = node.call([values[edge] for edge in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
    expected = keras.tree.flatten(model(x, training=False))
    for edge, value in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(values[edge], value)


def test_a_repeated_call_is_one_in_inference():
    class Augmented(layers.Layer):
        def __init__(self):
            super().__init__()
            self.flip = layers.RandomFlip(seed=0)

        def call(self, inputs):  # without `training`, which the layer inside learns from Keras
            return self.flip(inputs)

    inputs = keras.Input((4, 4, 3))
    (*_, node) = Graph.of(keras.Model(inputs, Augmented()(inputs)))
    x = np.random.default_rng(0).normal(size=(8, 4, 4, 3)).astype("float32")
    np.testing.assert_array_equal(node.call([x])[0], x)
    assert not np.array_equal(node.call([x], lambda x: node.operation(x, training=True))[0], x)
