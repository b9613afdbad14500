import keras
import pytest
from graph.models import residual_cnn
from keras import layers

from kerasopt.graph import Graph, Groups, wrap_operation


def chains(model):
    return [
        tuple(type(node.operation).__name__ for node in group.nodes)
        for group in Groups(Graph.of(model))
    ]


def group_at(model, path):
    groups = Groups(Graph.of(model))
    (group,) = [group for group in groups if group.anchor.path == path]
    return groups, group


def test_groups_of_a_residual_network():
    assert chains(residual_cnn()) == [
        ("InputLayer",),
        ("Conv2D", "BatchNormalization", "ReLU"),
        ("DepthwiseConv2D", "BatchNormalization", "Relu6"),
        ("Conv2D", "BatchNormalization"),
        ("Add", "Activation"),
        ("MaxPooling2D",),
        ("Flatten",),
        ("Dense",),
    ]


def test_parts_of_a_group():
    _, group = group_at(residual_cnn(), "conv")
    assert group.output.path == "conv_relu"
    assert group.batch_normalization.path == "conv_bn"
    assert group.activation.path == "conv_relu"
    _, group = group_at(residual_cnn(), "project")
    assert group.activation is None and group.output.path == "project_bn"


def test_origin_passes_through_transparent_groups():
    groups, classifier = group_at(residual_cnn(), "classifier")
    origin = groups.origin(classifier.inputs[0])
    assert origin.output.path == "out"
    assert [group.transparent for group in groups] == [False] * 5 + [True, True, False]
    conv = groups.of(groups.graph.nodes[1])
    assert groups.origin(conv.inputs[0]).anchor.is_input


def test_padding_of_the_model_input_leads_to_the_input():
    inputs = keras.Input((8, 8, 3))
    x = layers.ZeroPadding2D(name="pad")(inputs)
    model = keras.Model(inputs, layers.Conv2D(2, 3, name="conv")(x))
    groups, conv = group_at(model, "conv")
    assert groups.origin(conv.inputs[0]).anchor.is_input


ACTIVATIONS = {
    "relu layer": (layers.ReLU(), True),
    "relu6 layer": (layers.ReLU(6.0), True),
    "leaky layer": (layers.ReLU(negative_slope=0.1), False),
    "relu by name": (layers.Activation("relu"), True),
    "relu6 by name": (layers.Activation("relu6"), True),
    "activation of a layer": (layers.Activation(layers.ReLU(6.0)), True),
    "tanh": (layers.Activation("tanh"), False),
    "relu operation": (keras.ops.relu, True),
    "relu6 operation": (keras.ops.relu6, True),
    "relu function": (keras.activations.relu, True),
    "silu operation": (keras.ops.silu, False),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_which_activations_join_a_group(name):
    activation, joins = ACTIVATIONS[name]
    inputs = keras.Input((4,))
    outputs = activation(layers.Dense(3)(inputs))
    _, *found = chains(keras.Model(inputs, outputs))
    assert len(found) == (1 if joins else 2)


def test_an_activation_argument_ends_the_group():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu")(inputs)
    x = layers.BatchNormalization()(x)
    assert chains(keras.Model(inputs, x))[1:] == [("Conv2D",), ("BatchNormalization",)]


def test_a_second_reader_ends_the_group():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.BatchNormalization()(x)
    found = chains(keras.Model(inputs, layers.ReLU()(y) + x))
    assert ("Conv2D",) in found and ("BatchNormalization", "ReLU") in found
    assert ("Conv2D", "BatchNormalization", "ReLU") in chains(
        keras.Model(inputs, layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))))
    )


def test_an_output_of_the_model_ends_the_group():
    inputs = keras.Input((8,))
    x = layers.Dense(4)(inputs)
    assert ("Dense",) in chains(keras.Model(inputs, [x, layers.ReLU()(x)]))


def test_batch_norm_over_another_axis_stays_alone():
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3, padding="same")(inputs))
    assert chains(keras.Model(inputs, x))[1:] == [("Conv2D",), ("BatchNormalization",)]


def test_a_constant_is_no_residual():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.ops.softmax(keras.ops.relu(inputs + 3.0)))
    assert chains(model)[1:] == [("Add", "Relu"), ("Softmax",)]
    other = keras.Input((8,))
    model = keras.Model([inputs, other], keras.ops.relu(inputs + other))
    assert chains(model)[2:] == [("Add", "Relu")]


def test_a_shared_layer_joins_only_what_follows_at_every_call():
    inputs = keras.Input((4,))
    dense, relu = layers.Dense(4), layers.ReLU()
    same = keras.Model(inputs, relu(dense(relu(dense(inputs)))))
    assert chains(same)[1:] == [("Dense", "ReLU"), ("Dense", "ReLU")]
    dense = layers.Dense(4)
    once = keras.Model(inputs, dense(layers.ReLU()(dense(inputs))))
    assert chains(once)[1:] == [("Dense",), ("ReLU",), ("Dense",)]


def test_groups_reach_across_the_border_of_a_nested_model():
    inner_input = keras.Input((4,))
    inner = keras.Model(inner_input, layers.Dense(4)(inner_input), name="inner")
    inputs = keras.Input((4,))
    x = layers.ReLU()(layers.BatchNormalization()(inner(inputs)))
    assert chains(keras.Model(inputs, x))[1:] == [("Dense", "BatchNormalization", "ReLU")]


def test_wrapped_operations_group_alike():
    model = residual_cnn()
    graph = Graph.of(model)
    for node in graph:
        wrap_operation(node)
    names = [[node.path for node in group.nodes] for group in Groups(graph)]
    assert names == [[node.path for node in group.nodes] for group in Groups(Graph.of(model))]
    assert len(names) == 8


@pytest.mark.parametrize(
    "name, folded", [("MobileNetV2", 52), ("MobileNetV3Small", 34), ("ResNet50", 53)]
)
def test_every_batch_norm_of_an_application_is_folded(name, folded):
    model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, 3))
    groups = list(Groups(Graph.of(model)))
    assert sum(group.batch_normalization is not None for group in groups) == folded
    assert not any(isinstance(g.anchor.operation, layers.BatchNormalization) for g in groups)
