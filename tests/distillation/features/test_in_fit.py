"""Each feature loss in `fit`: what is logged is the loss of the tensors, and it is learned."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.distillation.features import FEATURE_LOSSES
from kerasopt.keras_internals.calls import mask_of

TOKENS = np.random.default_rng(0).integers(1, 9, (16, 6)) * (np.arange(6) < 4)
ALIASES = list(FEATURE_LOSSES.aliases)


def transformer(width, heads, seed):
    """One block of attention on tokens, of which 0 is padding."""
    keras.utils.set_random_seed(seed)
    normal = keras.initializers.RandomNormal(stddev=1.0)
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(9, width, mask_zero=True, embeddings_initializer=normal)(inputs)
    x = layers.MultiHeadAttention(heads, width // heads, name="attention")(x, x)
    x = layers.Dense(width, name="block")(x)  # Keras would lose the mask in a residual sum
    outputs = layers.Dense(2)(layers.GlobalAveragePooling1D()(x))
    model = keras.Model(inputs, outputs, name=f"transformer_{seed}")
    model.compile(keras.optimizers.Adam(1e-2), "mse", jit_compile=False)
    return model


def fit(student, teacher, alias, **options):
    loss = FEATURE_LOSSES.get(alias)
    layer = "block" if loss.reads == "output" else "attention"
    features = ko.distillation.Features(alias, [(layer, layer)], weight=100.0)
    callback = ko.callbacks.Distillation(teacher, loss="mse", features=features)
    history = student.fit(
        TOKENS, np.ones((16, 2)), 16, verbose=0, callbacks=[callback], **options
    ).history
    return np.array(history[f"{loss.name}_loss"])


@pytest.mark.parametrize("alias", [each for each in ALIASES if each != "relations"])
def test_the_loss_is_that_of_the_tensors(alias):
    teacher, student = transformer(8, 2, 0), transformer(8, 2, 1)
    student.optimizer.learning_rate = 0.0
    loss, read = FEATURE_LOSSES.get(alias), {}
    for name, model in (("teacher", teacher), ("student", student)):
        x = model.layers[1](TOKENS)
        mask = mask_of(x)
        y, scores = model.get_layer("attention")(x, x, return_attention_scores=True)
        read[name] = scores if loss.reads == "scores" else model.get_layer("block")(y)
    expected = loss.call(read["teacher"], read["student"], mask)
    found = fit(student, teacher, alias)
    np.testing.assert_allclose(found, [np.mean(expected)], rtol=1e-3)


@pytest.fixture
def half():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("alias", ALIASES)
def test_it_is_learned_in_mixed_precision_from_a_wider_teacher(alias, half):
    losses = fit(transformer(8, 2, 1), transformer(16, 4, 0), alias, epochs=6)
    assert 0 < losses[-1] < losses[0]
