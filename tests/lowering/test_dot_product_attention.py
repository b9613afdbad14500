"""`keras.ops.dot_product_attention` in integers, in graphs and in the code of layers."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from lowering.trained import run

import kerasopt as ko
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul
from kerasopt.inference.integer.softmax import QuantizedSoftmax


class Block(layers.Layer):
    """Grouped queries, and a residual sum."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.query, self.joined = layers.Dense(32), layers.Dense(12)
        self.key, self.value = layers.Dense(16), layers.Dense(16)

    def build(self, shape):
        for layer in (self.query, self.key, self.value):
            layer.build(shape)
        self.joined.build((*shape[:-1], 32))
        self.built = True

    def call(self, x, mask=None):
        query, key, value = (
            ops.reshape(layer(x), (ops.shape(x)[0], -1, heads, 8))
            for layer, heads in ((self.query, 4), (self.key, 2), (self.value, 2))
        )
        mask = None if mask is None else mask[:, None, None, :]
        context = ops.dot_product_attention(query, key, value, mask=mask)
        return x + self.joined(ops.reshape(context, (ops.shape(x)[0], -1, 32)))


def in_graph(masked):
    """Returns a model, with a mask or without, that calls the operation itself."""
    inputs, mask = keras.Input((None, 12)), keras.Input((None,), dtype="bool")
    heads = [layers.Reshape((-1, 4, 8))(layers.Dense(32)(inputs)) for _ in range(3)]
    how = {"mask": mask[:, None, None, :], "is_causal": True} if masked else {}
    context = layers.Reshape((-1, 32))(ops.dot_product_attention(*heads, **how))
    output = layers.Dense(3, name="top")(context)
    return keras.Model([inputs, mask] if masked else inputs, output)


def in_layer(masked):
    """Returns a model with a layer that calls the operation."""
    inputs, mask = keras.Input((None, 12)), keras.Input((None,), dtype="bool")
    how = {"mask": mask} if masked else {}
    output = layers.Dense(3, name="top")(Block(name="block")(inputs, **how))
    return keras.Model([inputs, mask] if masked else inputs, output)


def in_attention(masked):
    """Returns a model with a layer of Keras that has no inner layers."""
    inputs, mask = keras.Input((None, 12)), keras.Input((None,), dtype="bool")
    query, value = layers.Dense(8)(inputs), layers.Dense(8)(inputs)
    how = {"mask": [None, mask]} if masked else {}
    output = layers.Dense(3, name="top")(layers.Attention()([query, value], **how))
    return keras.Model([inputs, mask] if masked else inputs, output)


def in_groups(masked):
    """Returns a model with a layer of Keras that has inner layers."""
    inputs, mask = keras.Input((None, 12)), keras.Input((None,), dtype="bool")
    how = {"attention_mask": mask[:, None, :]} if masked else {}
    x = layers.GroupQueryAttention(8, 4, 2)(inputs, inputs, **how)
    output = layers.Dense(3, name="top")(x)
    return keras.Model([inputs, mask] if masked else inputs, output)


def data(masked, count=16, length=7):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(count, length, 12)).astype("float32")
    seen = np.arange(length) < generator.integers(1, length + 1, (count, 1))
    return [x, seen] if masked else x


def kinds(model):
    return [type(layer) for layer in model.layers]


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("masked", [False, True], ids=["plain", "masked"])
@pytest.mark.parametrize("make", [in_graph, in_layer, in_attention, in_groups])
def test_is_two_products_of_integers(make, masked, tmp_path):
    keras.utils.set_random_seed(0)
    model, x = make(masked), data(masked)
    model = ko.quantize(model, "int8", x, verbose=0)
    integers = ko.convert(model)
    assert kinds(integers).count(QuantizedBatchMatMul) == 2
    assert (QuantizedSoftmax in kinds(integers)) is not masked
    np.testing.assert_allclose(run(integers, x), run(model, x), atol=1e-4)
    longer = data(masked, 3, 11)
    np.testing.assert_allclose(run(integers, longer), run(model, longer), atol=1e-4)
    reasons = set(ko.quantization.float_parts(model).values())
    assert reasons == ({ko.quantization.MASKED} if masked else set())


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("make", [in_graph, in_layer])
def test_trains_and_loads_with_its_quantizers(make, tmp_path):
    keras.utils.set_random_seed(0)
    model, x = make(True), data(True)
    model.compile("sgd", "mse")
    y = np.zeros(model(x).shape, "float32")
    callback = ko.callbacks.QuantizationAware("int8", begin=1)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[callback])
    ko.save(model, tmp_path / "model.keras")
    how = {"custom_objects": {"Block": Block}}
    loaded = keras.models.load_model(tmp_path / "model.keras", **how)
    np.testing.assert_array_equal(run(loaded, x), run(model, x))
    expected, found = run(model, x).ravel(), run(ko.convert(loaded), x).ravel()
    lengths = np.linalg.norm(expected) * np.linalg.norm(found)
    assert expected @ found >= 0.9999 * lengths  # biases are rounded to integers


def test_finalized_models_call_the_operation_again():
    model = in_graph(False)
    before = [type(operation) for operation in model.operations]
    x = data(False)
    model.compile("sgd", "mse")
    y = np.zeros(model(x).shape, "float32")
    model.fit(x, y, verbose=0, callbacks=[ko.callbacks.QuantizationAware("int8")])
    assert [type(operation) for operation in model.operations] != before
    ko.finalize(model, verbose=False)
    assert [type(operation) for operation in model.operations] == before


def test_without_static_ranges_it_stays_whole():
    model = ko.quantize(in_graph(False), "int8_dynamic", verbose=0)
    assert "DotProductAttention" in {type(operation).__name__ for operation in model.operations}
