"""Masks of Keras, and masks that are added: exact in simulation and in integers alike."""

import warnings

import keras
import keras_hub
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.graph import Graph
from kerasopt.quantization.post_training.walk import run

K, L = keras.ops, keras.layers
LENGTH, WORDS = 6, 12


def tokens(padding=0):
    """Returns sentences whose ends are padded with zeros, and with more of them."""
    ids = np.random.default_rng(0).integers(1, WORDS, (16, LENGTH))
    ids[::2, 4:] = 0
    return np.concatenate([ids, np.zeros((16, padding), int)], axis=1)


def embedded(size=8, name="words"):
    ids = keras.Input((None,), dtype="int32")
    return ids, L.Embedding(WORDS, size, mask_zero=True, name=name)(ids)


def spread(model):
    """Gives weights a size at which attention attends."""
    generator = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape) / np.sqrt(weight.shape[0]) ** 0.5)
    return model


def mean(attend):
    ids, x = embedded()
    x = L.GlobalAveragePooling1D()(attend(x))
    return keras.Model(ids, L.Dense(3)(x))


def nested():
    inputs = keras.Input((None, 8))
    x = L.MultiHeadAttention(2, 4)(inputs, inputs)
    inner = keras.Model(inputs, L.LayerNormalization()(x + inputs), name="block")
    return mean(inner)


def cross():
    ids, x = embedded()
    queries = L.Dense(8)(x)
    x = L.MultiHeadAttention(2, 4)(query=queries, value=x, key=L.Dense(8)(x))
    return keras.Model(ids, L.GlobalAveragePooling1D()(x))


def summed():
    ids, x = embedded()
    y = L.Add()([x, L.Dense(8, "relu")(x)])
    return keras.Model(ids, L.Dense(3)(L.GlobalAveragePooling1D()(L.LayerNormalization()(y))))


def joined():
    ids, x = embedded()
    y = L.Concatenate()([x, L.MultiHeadAttention(2, 4)(x, x)])
    return keras.Model(ids, L.GlobalAveragePooling1D()(L.Dense(3)(y)))


def masking():
    ids, x = embedded()
    x = L.Masking()(x * K.expand_dims(K.cast(K.not_equal(ids, 0), "float32"), -1))
    x = L.MultiHeadAttention(2, 4)(x, x)
    return keras.Model(ids, L.Dense(3)(L.GlobalAveragePooling1D()(x)))


def explicit(attend):
    """Attends by the mask of the words, which is an argument of the call."""
    ids = keras.Input((None,), dtype="int32")
    x = attend(L.Embedding(WORDS, 8, name="words")(ids), K.not_equal(ids, 0))
    return keras.Model(ids, L.Dense(3)(K.max(x, axis=1)))


def softmax(x, mask):
    scores = K.matmul(L.Dense(8)(x), K.transpose(L.Dense(8)(x), (0, 2, 1)))
    weights = L.Softmax()(scores, mask=K.logical_and(mask[:, None, :], mask[:, :, None]))
    return K.where(mask[..., None], K.matmul(weights, x), 0.0)


@keras.saving.register_keras_serializable("tests_lowering")
class OwnAttention(L.MultiHeadAttention):
    """A subclass that adds what it attends from."""

    def call(self, query, value, key=None, **kwargs):
        return query + super().call(query, value, key, **kwargs)


KERAS = {
    "attention_mask": lambda: explicit(
        lambda x, mask: (
            L.MultiHeadAttention(2, 4)(
                x, x, attention_mask=K.logical_and(mask[:, None, :], mask[:, :, None])
            )
            * K.cast(mask[..., None], "float32")
        )
    ),
    "value_mask": lambda: explicit(
        lambda x, mask: (
            L.MultiHeadAttention(2, 4)(x, x, query_mask=mask, value_mask=mask)
            * K.cast(mask[..., None], "float32")
        )
    ),
    "softmax": lambda: explicit(softmax),
    "subclass": lambda: mean(lambda x: OwnAttention(2, 4)(x, x)),
    "MultiHeadAttention": lambda: mean(lambda x: L.MultiHeadAttention(2, 4)(x, x)),
    "causal": lambda: mean(lambda x: L.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)),
    "window": lambda: mean(lambda x: L.MultiHeadAttention(2, 4, sliding_window=2)(x, x)),
    "cross": cross,
    "nested": nested,
    "summed": summed,
    "joined": joined,
    "masking": masking,
    "Attention": lambda: mean(lambda x: L.Attention()([L.Dense(8)(x), x])),
    "AdditiveAttention": lambda: mean(lambda x: L.AdditiveAttention()([L.Dense(8)(x), x])),
    "GroupQueryAttention": lambda: mean(lambda x: L.GroupQueryAttention(4, 4, 2)(x, x)),
    "TimeDistributed": lambda: mean(L.TimeDistributed(L.Dense(8))),
    "GRU": lambda: mean(lambda x: L.GRU(4, return_sequences=True)(L.Dense(8)(x))),
    "Bidirectional": lambda: mean(L.Bidirectional(L.LSTM(4, return_sequences=True))),
}


OTHER_SPECS = [
    (name, spec)
    for name in ("MultiHeadAttention", "summed", "Attention")
    for spec in ("int8_dynamic", "int16x8")
]


@pytest.mark.parametrize("name, spec", [*((name, "int8") for name in KERAS), *OTHER_SPECS])
def test_padding_changes_nothing(name, spec):
    model = spread(KERAS[name]())
    quantized = ko.quantize(model, spec, tokens(), rules=[("words", spec)], verbose=0)
    converted = ko.convert(quantized, spec)
    float_outputs = model(tokens())
    expected, found = quantized(tokens()), converted(tokens())
    size = np.abs(float_outputs).max()
    np.testing.assert_allclose(found, expected, atol=0.02 * size)
    np.testing.assert_allclose(expected, float_outputs, atol=0.1 * size)
    np.testing.assert_allclose(converted(tokens(5)), quantized(tokens(5)), atol=0.02 * size)
    if np.allclose(model(tokens(5)), float_outputs, atol=1e-5):  # a nested model drops its mask
        np.testing.assert_allclose(converted(tokens(5)), found, atol=1e-3 * size)


def hub_embedding():
    return keras_hub.layers.TokenAndPositionEmbedding(WORDS, 2 * LENGTH, 8, mask_zero=True)


def hub_tables():
    tokens = keras_hub.layers.ReversibleEmbedding(WORDS, 8, mask_zero=True)
    return lambda ids: L.Dropout(0.1)(tokens(ids))


# Layers that set their masks in `call`, which Keras does not run on symbolic tensors.
@pytest.mark.parametrize("embedding", [hub_embedding, hub_tables])
@pytest.mark.parametrize("spec", ["int8", "int8_dynamic"])
def test_masks_that_layers_of_keras_hub_set(embedding, spec):
    ids = keras.Input((None,), dtype="int32")
    encoded = keras_hub.layers.TransformerEncoder(16, 2)(embedding()(ids))
    model = spread(keras.Model(ids, L.Dense(3)(L.GlobalAveragePooling1D()(encoded))))
    expected = model(tokens())
    np.testing.assert_allclose(model(tokens(5)), expected, atol=1e-5)
    quantized = ko.quantize(model, spec, tokens(), verbose=0)
    converted = ko.convert(quantized, spec)
    size = np.abs(expected).max()
    np.testing.assert_allclose(quantized(tokens()), expected, atol=0.1 * size)
    for padding in (0, 5):
        found = converted(tokens(padding))
        np.testing.assert_allclose(found, quantized(tokens(padding)), atol=0.02 * size)


def test_masks_of_outputs_are_seen_by_losses():
    ids, x = embedded()
    model = spread(keras.Model(ids, L.Dense(3)(L.MultiHeadAttention(2, 4)(x, x))))
    quantized = ko.quantize(model, "int8", tokens(), rules=[("words", "int8")], verbose=0)
    converted = ko.convert(quantized, "int8")
    targets = np.random.default_rng(2).integers(0, 3, (16, LENGTH))
    losses = []
    for each in (quantized, converted):
        each.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses.append(each.evaluate(tokens(), targets, verbose=0))
        targets[::2, 4:] = (targets[::2, 4:] + 1) % 3  # what is padded has no say
    np.testing.assert_allclose(*losses, rtol=0.01)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_queries_that_see_no_key_attend_as_in_keras(dropout, causal):
    ids, x = embedded()
    y = L.MultiHeadAttention(2, 4, dropout=dropout)(x, x, use_causal_mask=causal)
    model = spread(keras.Model(ids, L.Dense(3)(y)))
    data = tokens()[:, ::-1]  # padded before the words: with a causal mask they see nothing, too
    quantized = ko.quantize(model, "int8", data, rules=[("words", "int8")], verbose=0)
    expected, found = np.asarray(model(data)), ko.convert(quantized)(data)
    size = np.abs(expected).max()
    # Keras computes these in two ways: with dropout they are the bias alone.
    np.testing.assert_allclose(quantized(data), expected, atol=0.1 * size)
    np.testing.assert_allclose(found, quantized(data), atol=0.02 * size)


class Words(L.Layer):
    """Sets a mask by a method of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.table = L.Embedding(WORDS, 8)

    def build(self, shape):
        self.table.build(shape)

    def call(self, ids):
        return self.table(ids) * 2.0

    def compute_mask(self, ids, mask=None):
        return K.not_equal(ids, 0)


def attending(**masks):
    ids = keras.Input((None,), dtype="int32")
    x = Words()(ids)
    y = L.MultiHeadAttention(2, 4)(x, x, **{name: make(ids) for name, make in masks.items()})
    return spread(keras.Model(ids, [y, L.Dense(3, name="top")(y), L.GlobalAveragePooling1D()(y)]))


@pytest.mark.parametrize(
    "masks", [{}, {"query_mask": lambda ids: K.not_equal(ids, 1)}], ids=["implied", "passed"]
)
@pytest.mark.parametrize("spec", ["int8", "int8_dynamic"])
def test_masks_that_opened_layers_set(masks, spec):
    model, data = attending(**masks), tokens()
    walked = {node.path: read for node, (read,) in run(Graph.of(model), [data])}
    np.testing.assert_allclose(walked["top"][0], model(data)[0], atol=1e-5)
    quantized = ko.quantize(model, spec, data, verbose=0)
    report = ko.compare(ko.convert(quantized, spec), quantized, data)
    assert all(tensor.cosine > 0.9999 for tensor in report.tensors), report


def test_scores_are_returned_beside_the_attention():
    ids, x = embedded()
    attention = L.MultiHeadAttention(2, 4)
    model = spread(keras.Model(ids, attention(x, x, return_attention_scores=True)))
    quantized = ko.quantize(model, "int8", tokens(), verbose=0)
    converted = ko.convert(quantized, "int8")
    for found, expected in zip(converted(tokens()), quantized(tokens()), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
    assert not np.asarray(converted(tokens())[1])[0, :, :4, 4:].any()


def test_an_attention_with_a_gate_is_not_taken_for_one_without():
    model = spread(mean(lambda x: L.MultiHeadAttention(2, 4, use_gate=True)(x, x)))
    quantized = ko.quantize(model, "int8", tokens(), verbose=0)
    np.testing.assert_allclose(ko.convert(quantized)(tokens()), quantized(tokens()), atol=0.021)


class Padding(L.Layer):
    def call(self, ids):
        return K.where(K.equal(ids, 0), -1e9, 0.0)[:, None, :]


def seen(ids, dtype="float32"):
    return K.cast(K.not_equal(ids, 0), dtype)[:, None, :]


# What is added to the scores, or what becomes of them.
ADDED = {
    "product": lambda s, ids: s + (1.0 - seen(ids)) * -1e9,
    "integers": lambda s, ids: s + K.cast(1 - seen(ids, "int32"), "float32") * -10000.0,
    "difference": lambda s, ids: s - 1e9 * (1.0 - seen(ids)),
    "shifted": lambda s, ids: s + (seen(ids) - 1.0) * 65504.0,
    "two steps": lambda s, ids: (s + (seen(ids) - 1.0) * 1e5) * 0.5 + (seen(ids) - 1.0) * 1e5,
    "infinite": lambda s, ids: s + K.where(K.equal(ids, 0), -np.inf, 0.0)[:, None, :],
    "selected": lambda s, ids: K.where(seen(ids, "bool"), s, np.finfo("float32").min),
    "layer": lambda s, ids: L.Add()([s, K.repeat(Padding()(ids), LENGTH, 1)]),
    "subtract layer": lambda s, ids: L.Subtract()([s, K.repeat(-Padding()(ids), LENGTH, 1)]),
    "constant": lambda s, ids: s + np.where(np.arange(LENGTH) < 4, 0, -1e9).astype("float32"),
}


def block(x, ids, add, softmax=K.softmax):
    """Returns what a transformer's block, written by hand, makes of tokens."""
    size = x.shape[-1]
    y = L.LayerNormalization()(x)
    q, k, v = (L.Dense(size)(y) for _ in range(3))
    scores = add(K.matmul(q, K.transpose(k, (0, 2, 1))) / np.sqrt(size).item(), ids)
    x = x + L.Dense(size)(K.matmul(softmax(scores), v))
    y = L.Dense(2 * size, activation="gelu")(L.LayerNormalization()(x))
    return x + L.Dense(size)(y)


def transformer(depth, add, size=16, **how):
    ids = keras.Input((LENGTH,), dtype="int32", name="ids")
    positions = L.Embedding(LENGTH, size)(K.arange(LENGTH))
    x = L.Embedding(WORDS, size)(ids) + positions
    for _ in range(depth):
        x = block(x, ids, add, **how)
    weights = seen(ids)
    mean = K.matmul(weights, L.LayerNormalization()(x)) / K.sum(weights, -1, keepdims=True)
    model = keras.Model(ids, L.Dense(8)(mean[:, 0]))
    return spread(model)


def cosine(a, b):
    a, b = np.asarray(a, "float64").ravel(), np.asarray(b, "float64").ravel()
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def assert_exact(model, data, spec="int8"):
    """Asserts that simulation and integers are as near to the float model as without a mask."""
    quantized = ko.quantize(model, spec, data, verbose=0)
    converted = ko.convert(quantized, spec)
    expected = model(data)
    assert cosine(quantized(data), expected) >= 0.99
    assert cosine(converted(data), expected) >= 0.99
    assert cosine(converted(data), quantized(data)) >= 0.999


@pytest.mark.parametrize("spec", ["int8", "int8_dynamic"])
def test_a_deep_transformer_with_an_additive_mask(spec):
    assert_exact(transformer(4, ADDED["product"]), tokens(), spec)


@pytest.mark.parametrize("added", ADDED.values(), ids=ADDED)
def test_a_mask_is_exact_however_it_is_added(added):
    assert_exact(transformer(1, added), tokens())


def test_a_mask_that_is_an_input_is_exact():
    ids, mask = keras.Input((LENGTH,), dtype="int32"), keras.Input((1, LENGTH))
    x = block(L.Embedding(WORDS, 16)(ids), ids, lambda scores, _: scores + mask, exponentials)
    model = spread(keras.Model([ids, mask], L.Dense(8)(x[:, 0])))
    padding = np.where(tokens() == 0, -1e9, 0.0)[:, None].astype("float32")
    assert_exact(model, [tokens(), padding])


def exponentials(scores):
    powers = K.exp(scores - K.max(scores, axis=-1, keepdims=True))
    return powers / K.sum(powers, axis=-1, keepdims=True)


def test_training_sees_no_mask_in_its_ranges():
    model = transformer(1, ADDED["product"])
    model.compile("sgd", "mse")
    expected = model(tokens())
    callback = ko.callbacks.QuantizationAware("int8", begin=2)
    model.optimizer.learning_rate = 0.0
    model.fit(tokens(), np.zeros((16, 8)), 4, epochs=2, verbose=0, callbacks=[callback])
    assert cosine(model(tokens()), expected) >= 0.99
    assert cosine(ko.convert(model)(tokens()), expected) >= 0.99


def test_masks_and_indices_are_not_named_among_what_stays_float():
    model = transformer(1, ADDED["product"])
    quantized = ko.quantize(model, "int8", tokens(), verbose=0)
    parts = ko.quantization.float_parts(quantized)
    assert any(reason == ko.quantization.MASKED for reason in parts.values())
    names = {
        type(ko.graph.unwrap(node.operation)).__name__: node.path
        for node in ko.graph.Graph.of(quantized)
    }
    assert not {names["NotEqual"], names["Cast"]} & set(parts) and names["Softmax"] in parts
    with pytest.warns(UserWarning, match="it has a mask among its values") as caught:
        ko.convert(quantized)
    assert not any("NotEqual" in str(each.message) for each in caught)


class Positions(L.Layer):
    """Adds positions that only depend on the length."""

    def build(self, shape):
        self.dense = L.Dense(shape[-1])
        self.dense.build(shape)

    def call(self, x):
        positions = K.arange(K.shape(x)[1], dtype="float32") * 0.1
        return self.dense(x) + K.expand_dims(K.sin(positions), -1)


def test_what_depends_on_sizes_only_is_not_named():
    model = keras.Sequential([keras.Input((None, 8)), Positions(), L.Dense(4)])
    data = np.random.default_rng(0).normal(size=(4, 6, 8)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        ko.convert(ko.quantize(model, "int8", data, verbose=0))
