"""Masks of Keras, and masks that are added: exact in simulation and in integers alike."""

import keras
import numpy as np
import pytest

import kerasopt as ko

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


KERAS = {
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


@pytest.mark.parametrize("spec", ["int8", "int8_dynamic", "int16x8"])
@pytest.mark.parametrize("name", KERAS)
def test_padding_changes_nothing(name, spec):
    model = spread(KERAS[name]())
    if spec != "int8" and name not in ("MultiHeadAttention", "summed", "Attention"):
        return
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
