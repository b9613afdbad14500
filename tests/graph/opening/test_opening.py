"""Layers that a graph sees through, and those that it does not."""

import keras
import numpy as np
import pytest
from graph.composites import (
    Causal,
    Composite,
    Cut,
    DeclaresOthers,
    Indexed,
    Making,
    OfTensorFlow,
    Operands,
    Residual,
    Rotary,
    Twice,
    model_of,
    tokens,
    walked,
)
from keras import layers, ops

from kerasopt.graph import Graph, require_built


def test_a_composite_layer_is_its_calls():
    model = model_of(Residual(name="block"))
    graph = Graph.of(model)
    assert [node.path for node in graph][1:] == [
        "block/first",
        "block/second",
        "block/multiply",
        "block/add",
        "block/norm",
    ]
    by_path = {node.path: node for node in graph}
    add = by_path["block/add"]
    assert [edge.source.path for edge in add.inputs][1:] == ["block/multiply"]
    assert add.owner is model.get_layer("block")
    assert by_path["block/first"].operation is model.get_layer("block").first
    assert graph.closed == {} and by_path["block/norm"].is_output


def test_composites_inside_and_models_inside_are_opened():
    paths = [node.path for node in Graph.of(model_of(Twice(name="twice")))]
    assert paths.count("twice/block/first") == 2
    assert {"twice/pair/left", "twice/pair/subtract", "twice/tail/last"} <= set(paths)


class Dropped(layers.Layer):
    """Does nothing in inference."""

    def call(self, x, training=False):
        return keras.random.dropout(x, 0.5) if training else x


class WithDropped(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.drop = layers.Dense(8), Dropped()

    def call(self, x):
        return x + self.drop(self.dense(x))


def test_layers_that_do_nothing_in_inference_are_not_there():
    inputs = keras.Input((5, 8))
    outputs = Dropped()(WithDropped(name="block")(Dropped(name="drop")(inputs)))
    graph = Graph.of(keras.Model(inputs, outputs))
    assert [node.path for node in graph][1:] == ["block/dense", "block/add"]
    assert graph.outputs[0].source.path == "block/add" and graph.closed == {}


@pytest.mark.parametrize(
    "layer", [Residual, Causal, Twice, Operands, Making, DeclaresOthers, OfTensorFlow, Indexed, Cut]
)
@pytest.mark.parametrize("sizes", [(2, 5), (3, 7), (1, 1)])
def test_the_calls_compute_what_the_layer_computes(layer, sizes):
    model, x = model_of(layer(), layer()), tokens(*sizes)
    assert Graph.of(model).closed == {}
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


def test_layers_made_in_a_call_have_names():
    paths = [node.path for node in Graph.of(model_of(Making(name="block")))][1:]
    assert paths == [
        "block/conv",
        "block/global_average_pooling1_d",
        "block/reshape",
        "block/reduce",
        "block/expand",
        "block/multiply",
        "block/add",
    ]


def test_masks_of_keras_reach_the_code():
    ids = keras.Input((None,), dtype="int32")
    x = Causal(name="causal")(layers.Embedding(9, 8, mask_zero=True)(ids))
    model = keras.Model(ids, layers.GlobalAveragePooling1D()(x))
    graph = Graph.of(model)
    assert graph.closed == {}
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    # The pooling outside reads the mask that the layer passes on, which is an edge.
    (pooling,) = [node for node in graph if "pooling" in node.path]
    assert pooling.inputs[0] in graph.masks
    inner = keras.Model(ids, model.layers[-2].output)
    np.testing.assert_allclose(walked(inner, x), inner(x), atol=1e-6)


def test_a_subclassed_model_is_opened():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = Residual()
            self.head = layers.Dense(2)

        def call(self, inputs):
            return self.head(ops.mean(self.block(inputs), axis=1))

    model, x = Model(), tokens()
    model(x)
    assert [node.path for node in Graph.of(model)][-2:] == ["mean", "head"]
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


def test_recording_leaves_no_trace():
    model = model_of(Twice())
    every = model._flatten_layers()
    before = [(len(x._inbound_nodes), len(x._outbound_nodes), sorted(vars(x))) for x in every]
    functions = {name: getattr(ops, name) for name in ("arange", "shape", "add")}
    Graph.of(model)
    after = [(len(x._inbound_nodes), len(x._outbound_nodes), sorted(vars(x))) for x in every]
    assert after == before
    assert all(getattr(ops, name) is function for name, function in functions.items())


class Partly(Composite):
    """Builds only what has weights."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.pad, self.sum = layers.Dense(8), layers.ZeroPadding1D(1), layers.Add()

    def build(self, shape=None):
        self.dense.build((None, None, 8))
        self.built = True

    def call(self, inputs):
        return self.sum([self.pad(inputs), self.pad(self.dense(inputs))])


def test_inner_layers_without_weights_need_no_build(recwarn):
    layer = Partly(name="partly")
    layer.compute_output_spec = lambda inputs: keras.KerasTensor((None, None, 8))
    model = model_of(layer)
    assert "partly/sum" in [node.path for node in Graph.of(model)]
    require_built(model)
    assert not recwarn.list


class Paired(Rotary):
    """Returns another axis than its base declares."""

    def call(self, inputs):
        return ops.stack([inputs, inputs * 2.0], axis=-1)


class OfPairs(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs, pairs):
        return self.dense(inputs) + pairs[..., 0] * pairs[..., 1]

    def compute_output_shape(self, inputs_shape, pairs_shape):
        return inputs_shape


def test_a_composite_reads_what_a_layer_returns_not_what_it_declares():
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, OfPairs(name="layer")(inputs, Paired()(inputs)))
    assert Graph.of(model).closed == {}
    np.testing.assert_allclose(walked(model, tokens()), model(tokens()), atol=1e-6)


class KeywordsOnly(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, **kwargs):
        return self.dense(kwargs["inputs"]) + kwargs["other"]


def test_arguments_by_name_only():
    layer, inputs = KeywordsOnly(name="layer"), keras.Input((3, 8))
    layer.build()
    layer.compute_output_spec = lambda **kwargs: keras.KerasTensor((None, 3, 8))
    model = keras.Model(inputs, layer(inputs=inputs, other=inputs))
    assert [node.path for node in Graph.of(model)][1:] == ["layer/dense", "layer/add"]
    np.testing.assert_allclose(walked(model, tokens(2, 3)), model(tokens(2, 3)), atol=1e-6)


def test_names_stay_when_python_has_specialized_the_code():
    class Sliced(Composite):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(8)

        def call(self, x):
            x = self.dense(x)
            return x[..., :4] + x[..., 4:]

    model = model_of(Sliced(name="block"))
    expected = [node.path for node in Graph.of(model)]
    for _ in range(30):
        graph = Graph.of(model)
        assert [node.path for node in graph] == expected and graph.closed == {}
