"""Layers that cannot be recorded, and are one node."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from graph.composites import Composite, Residual, model_of
from keras import layers, ops

from kerasopt.graph import Graph
from kerasopt.graph.opening.places import Places


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


class Noisy(Residual):
    """Makes a layer that holds a generator of random numbers."""

    def call(self, inputs):
        return layers.Dropout(0.5)(super().call(inputs))


class Sized(Residual):
    """Makes a layer for sequences of the length of its input."""

    def call(self, inputs):
        x = super().call(inputs)
        shape = (ops.shape(inputs)[1] * 8,)
        return x + ops.reshape(layers.Reshape(shape)(x), ops.shape(x))


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
        return super().call(np.tanh(np.asarray(inputs)))


class Looping(Residual):
    """Calls operations for each place of a sequence, whose length is unknown."""

    def call(self, inputs):
        x = super().call(inputs)
        for index in range(ops.shape(inputs)[1]):
            x = x + inputs[:, index : index + 1]
        return x


class WithFunction(Residual):
    """Calls a function of TensorFlow with one of Python."""

    def call(self, inputs):
        return super().call(tf.map_fn(tf.nn.relu, inputs))


class Shapeless(Residual):
    """Depends on the length by a branch."""

    def call(self, inputs):
        x = super().call(inputs)
        return x if ops.shape(x)[1] > 100 else x * 2.0


class Short(Residual):
    """Has fewer positions than the lengths that are tried."""

    def build(self, shape=None):
        super().build()
        self.positions = self.add_weight(shape=(32, 8))

    def call(self, inputs):
        return super().call(self.positions[: ops.shape(inputs)[1]] + inputs)


class Table(Residual):
    """Has positions that are no weight."""

    positions = np.ones((64, 8), "float32")

    def call(self, inputs):
        return super().call(inputs + self.positions[: ops.shape(inputs)[1]])


class Pair(Residual):
    """Returns two tensors, and declares one."""

    def call(self, inputs):
        x = super().call(inputs)
        return x, x * 2.0


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Counting, "does not do the same in every call"),
        (Random, "does not do the same in every call"),
        (Creating, "which is no attribute of it"),
        (Noisy, "which is no attribute of it"),
        (Sized, "it makes 'reshape"),
        (Looking, "control flow (Cond)"),
        (Unbuilt, "'norm' has never been built"),
        (Recursive, "contains itself"),
        (Shapeless, "does not do the same in every call"),
        (Short, "takes as much of a table as an unknown length"),
        (Table, "takes as much of a table as an unknown length"),
        (Pair, "does not return as many tensors as it declares"),
        (Foreign, "its code needs the values of tensors, as NumPy arrays"),
        (Looping, "does not do the same in every call"),
        (WithFunction, "its code calls functions of TensorFlow instead of those of `keras.ops`"),
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


class Mistaken(Composite):
    """Has never built an inner layer, and declares an output that is none."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.LayerNormalization()

    def build(self, shape=None):
        self.built = True

    def call(self, inputs):
        return self.norm(inputs)

    def compute_output_shape(self, shape):
        return shape[0][1]


class WithMistaken(Mistaken):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = Mistaken()

    def call(self, inputs):
        return self.inner(inputs)

    def compute_output_shape(self, shape):
        return shape


def test_recording_builds_no_layer():
    layer, inputs = WithMistaken(name="layer"), keras.Input((None, 8))
    model = keras.Model(inputs, layer(inputs))
    layer.inner.build()
    assert "'inner/norm' has never been built" in Graph.of(model).closed["layer"]
    assert not layer.inner.norm.built


def test_an_inner_layer_that_cannot_be_recorded_is_one_node_of_the_outer_one():
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=True)(ids)
    model = keras.Model(ids, Around(name="around")(x))
    graph = Graph.of(model)
    assert [node.path for node in graph][-3:] == ["around/inner", "around/dense", "around/add"]
    assert list(graph.closed) == ["around/inner"]
