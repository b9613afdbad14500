"""Layers that a graph sees through, and those that it does not."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.composites import Causal, Composite, Operands, Residual, Twice, model_of
from keras import layers, ops

from kerasopt.graph import Graph, require_built
from kerasopt.graph.opening.places import Places


def tokens(batch=2, length=5):
    return np.random.default_rng(0).normal(size=(batch, length, 8)).astype("float32")


def walked(model, x):
    """Returns what a model computes, one node after another."""
    graph = Graph.of(model)
    values = graph.feed(x)
    for node in graph:
        if not node.is_input:
            results = node.call([values[edge] for edge in node.inputs])
            values.update(zip(node.outputs, results, strict=True))
    (edge,) = graph.outputs
    return keras.ops.convert_to_numpy(values[edge])


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


class Merged(Composite):
    """Merges heads, by a size that Keras infers, and transforms sequences of any length."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = layers.Dense(8)

    def call(self, x):
        batch, length, _ = ops.shape(x)
        heads = ops.reshape(x, (batch, length, 2, 4))
        merged = ops.reshape(heads, (batch, length, -1))
        real, _ = ops.fft2((merged, ops.zeros_like(merged)))
        return self.last(real)


class Weighted(Composite):
    """Multiplies with weights that it reshapes by the sizes of its first input."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        x, weights = inputs
        batch, length, _ = ops.shape(x)
        return self.dense(x) * ops.reshape(weights, (batch, length, 1))

    def compute_output_shape(self, shape):
        return shape[0]


class WithWeighted(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Weighted()

    def build(self, shape=None):
        self.inner.build()
        self.built = True

    def call(self, inputs):
        return self.inner(inputs) + 1.0

    def compute_output_shape(self, shape):
        return shape[0]


def test_lengths_that_a_reshape_needs_to_be_equal_are():
    inputs = [keras.Input((None, 8)), keras.Input((None,))]
    graph = Graph.of(keras.Model(inputs, WithWeighted(name="around")(inputs)))
    assert graph.closed == {}
    assert "around/inner/reshape" in [node.path for node in graph]


def test_inferred_sizes_that_are_known_stay_known():
    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, Merged(name="block")(inputs))
    graph = Graph.of(model)
    values = graph.feed(keras.Input((None, 8)))
    for node in graph.nodes[1:]:
        results = node.call([values[edge] for edge in node.inputs])
        values.update(zip(node.outputs, results, strict=True))
    assert all(values[node.outputs[0]].shape[2:] for node in graph)
    assert values[graph.outputs[0]].shape == (None, None, 8)
    np.testing.assert_allclose(walked(model, tokens()), model(tokens()), atol=1e-4)


@pytest.mark.parametrize("layer", [Residual, Causal, Twice, Operands])
@pytest.mark.parametrize("sizes", [(2, 5), (3, 7), (1, 1)])
def test_the_calls_compute_what_the_layer_computes(layer, sizes):
    model, x = model_of(layer(), layer()), tokens(*sizes)
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


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


class Counting(Residual):
    calls = 0

    def call(self, inputs):
        self.calls += 1
        x = super().call(inputs)
        return x * 2.0 if self.calls % 2 else x


class Random(Residual):
    draws = np.random.default_rng(0)

    def call(self, inputs):
        x = super().call(inputs)
        for _ in range(self.draws.integers(40)):
            x = x + 1.0
        return x


class Creating(Residual):
    def call(self, inputs):
        return layers.Dense(8)(super().call(inputs))


class Looking(Residual):
    def call(self, inputs):
        x = super().call(inputs)
        return ops.cond(ops.any(inputs > 0), lambda: x, lambda: -x)


class Unbuilt(Residual):
    def build(self, shape=None):
        self.first.build((None, 8))
        self.second.build((None, 8))
        self.built = True


class Recursive(Residual):
    def call(self, inputs, depth=2):
        return super().call(self(inputs, depth=depth - 1) if depth else inputs)


class Foreign(Residual):
    def call(self, inputs):
        return super().call(tf.nn.relu(inputs))


class Shapeless(Residual):
    """Depends on the length by a branch."""

    def call(self, inputs):
        x = super().call(inputs)
        return x if ops.shape(x)[1] > 100 else x * 2.0


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Counting, "does not do the same in every call"),
        (Random, "does not do the same in every call"),
        (Creating, "which is no attribute of it"),
        (Looking, "control flow (Cond)"),
        (Unbuilt, "'norm' has never been built"),
        (Recursive, "contains itself"),
        (Shapeless, "does not do the same in every call"),
        (Foreign, "its code calls functions of TensorFlow instead of those of `keras.ops`"),
    ],
)
def test_what_cannot_be_recorded_stays_one_node(layer, reason):
    layer = layer(name="layer")
    inputs = keras.Input((None, 8))
    outputs = keras.KerasTensor((None, None, 8))
    layer.build()
    layer.compute_output_spec = lambda *args, **kwargs: outputs
    model = keras.Model(inputs, layer(inputs))
    graph = Graph.of(model)
    assert [node.path for node in graph][1:] == ["layer"]
    assert reason in graph.closed["layer"]


def test_a_fault_of_the_recorder_is_told_from_code_that_cannot_be_recorded(monkeypatch):
    model = model_of(Residual(name="block"))
    monkeypatch.setattr(Places, "key", None)
    with pytest.warns(UserWarning, match="by a fault of kerasopt .*recorder.py:"):
        graph = Graph.of(model)
    assert list(graph.closed) == ["block"]


class Around(Composite):
    """Calls a layer that can be recorded only in part, after masks were set in it."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.dense = PartOf(), layers.Dense(8)

    def build(self, shape=None):
        self.inner.build()
        self.dense.build((None, None, 8))
        self.built = True

    def call(self, inputs):
        return self.dense(self.inner(inputs)) + inputs


class ComputesMask(Residual):
    def call(self, inputs):
        return super().call(inputs) * 2.0

    def compute_mask(self, inputs, previous_mask=None):
        return None if previous_mask is None else ops.logical_not(previous_mask)


class PartOf(Composite):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.block = ComputesMask()

    def build(self, shape=None):
        self.block.build()
        self.built = True

    def call(self, inputs):
        x = self.block(inputs)
        return ops.cond(ops.any(inputs > 0), lambda: x, lambda: -x)


def test_an_inner_layer_that_cannot_be_recorded_is_one_node_of_the_outer_one():
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=True)(ids)
    model = keras.Model(ids, Around(name="around")(x))
    graph = Graph.of(model)
    assert [node.path for node in graph][-3:] == ["around/inner", "around/dense", "around/add"]
    assert list(graph.closed) == ["around/inner"]


class Many(Composite):
    """Joins inputs whose lengths have nothing to do with each other."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(ops.concatenate(inputs, axis=1))


@pytest.mark.parametrize(("count", "paths"), [(3, ["many/concatenate", "many/dense"]), (9, None)])
def test_any_number_of_lengths(count, paths):
    many, inputs = Many(name="many"), [keras.Input((None, 8)) for _ in range(count)]
    many.build()
    many.compute_output_spec = lambda *args, **kwargs: keras.KerasTensor((None, None, 8))
    model = keras.Model(inputs, many(inputs))
    found = [node.path for node in Graph.of(model)][count:]
    x = [tokens(2, 2 + i) for i in range(count)]
    np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)
    assert paths is None or found == paths


class Across(Composite):
    """Attention from one sequence to another one, with masks that are arguments."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.key = layers.Dense(8), layers.Dense(8)

    def call(self, inputs, other, inputs_mask=None, other_mask=None):
        scores = ops.einsum("bsd,btd->bst", self.query(inputs), self.key(other))
        # The positions of the other sequence are read from no tensor.
        scores = scores - 0.1 * ops.cast(ops.arange(ops.shape(other)[1]), "float32")
        scores = ops.where(other_mask[:, None, :], scores, -1e9)
        kept = ops.where(inputs_mask[:, :, None], inputs, 0.0)
        return kept + ops.matmul(ops.softmax(scores), other)


def test_lengths_that_have_to_be_equal_are_found():
    inputs, other = keras.Input((None, 8)), keras.Input((None, 8))
    masks = [keras.Input((None,), dtype="bool") for _ in range(2)]
    model = keras.Model([inputs, other, *masks], Across(name="across")(inputs, other, *masks))
    graph = Graph.of(model)
    assert graph.closed == {}
    for lengths in ((3, 7), (7, 3)):
        x = [tokens(2, length) for length in lengths]
        x += [np.arange(length) < np.array([[length], [2]]) for length in lengths]
        np.testing.assert_allclose(walked(model, x), model(x), atol=1e-6)


class Patches(Composite):
    """Computes lengths from the sizes that convolutions compute."""

    width = 3

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv, self.pool = layers.Conv2D(3, 3, strides=2), layers.MaxPooling2D(2)

    def build(self, shape=None):
        self.conv.build((None, None, None, 3))
        self.built = True

    def call(self, inputs):
        x = self.pool(self.conv(inputs))
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2], 3)) + ops.cast(x.shape[1], "float32")

    def compute_output_shape(self, shape):
        return (shape[0], None, 3)


@pytest.mark.parametrize("size", [(17, 12), (12, 17)])
def test_sizes_that_layers_compute_are_unknown_too(size):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.patches = Patches()

        def call(self, inputs):
            return self.patches(inputs)

    image = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    model = Model()
    model(image)
    np.testing.assert_allclose(walked(model, image), model(image), atol=1e-6)


class Rounding(Composite):
    """Computes a number from a size in a way that no recording follows."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(8)

    def call(self, inputs):
        return self.dense(inputs) * float(np.sqrt(ops.shape(inputs)[1]))


def test_a_number_that_depends_on_an_unknown_size_is_no_constant():
    graph = Graph.of(model_of(Rounding(name="layer")))
    assert (
        list(graph.closed) == ["layer"] and "computes numbers from sizes" in graph.closed["layer"]
    )


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
