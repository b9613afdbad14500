"""Taps: what is found, and what is read."""

import keras
import numpy as np
import pytest

from kerasopt.keras_internals.calls import mask_of
from kerasopt.training.taps import Probes, Tap, everything, find, sample_of

RNG = np.random.default_rng(0)


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)
        self.attention = keras.layers.MultiHeadAttention(2, 3)

    def call(self, x):
        return self.attention(self.dense(x), x, use_causal_mask=True)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(), Block()]
        self.head = keras.layers.Dense(2)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def subclassed():
    model = Subclassed()
    model(RNG.normal(size=(2, 5, 4)))
    return model


def shared():
    inputs = keras.Input((6, 6, 3))
    conv = keras.layers.Conv2D(3, 3, padding="same", name="conv")
    inner = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.ReLU(name="relu")], name="inner")
    return keras.Model(inputs, inner(conv(conv(inputs) + inputs)) * 2.0)


def read(model, x, *taps):
    probes = Probes([find(model, tap) for tap in taps])
    with probes.reading():
        model(x)
        return [keras.tree.map_structure(keras.ops.convert_to_numpy, y) for y in probes.take()]


def test_what_layers_of_subclassed_models_return_and_receive():
    model, x = subclassed(), RNG.normal(size=(2, 5, 4)).astype("float32")
    out, given = read(model, x, Tap("blocks/0/dense"), Tap("head", of="input"))
    first, second = model.blocks
    np.testing.assert_array_equal(out, first.dense(x))
    np.testing.assert_array_equal(given, second(first(x)))


def test_scores_and_projections_of_attention():
    model, x = subclassed(), RNG.normal(size=(2, 5, 4)).astype("float32")
    attention = model.blocks[0].attention
    scores, projections = read(
        model, x, *(Tap("blocks/0/attention", of=of) for of in ("scores", "projections"))
    )
    query = model.blocks[0].dense(x)
    _, expected = attention(query, x, use_causal_mask=True, return_attention_scores=True)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-7)
    assert [each.shape for each in projections] == [(2, 5, 2, 3)] * 3
    np.testing.assert_array_equal(projections[1], attention.key_dense(x))


def test_scores_with_a_padding_mask():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(5, 6, mask_zero=True)(inputs)
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3, name="attention")(x, x))
    (scores,) = read(model, np.array([[1, 2, 3, 0]]), Tap("attention", of="scores"))
    assert (scores[..., 3] == 0).all() or (scores[..., 3] < 1e-6)[:, :, :3].all()


def test_padding_of_attention_is_a_mask():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(5, 6, mask_zero=True)(inputs)
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3, name="attention")(x, x))
    for of in ("scores", "projections"):
        probes = Probes([find(model, Tap("attention", of=of))])
        with probes.reading():
            model(np.array([[1, 2, 3, 0], [1, 0, 0, 0]]))
            (found,) = probes.take()
        mask = mask_of(found if of == "scores" else found[0])
        np.testing.assert_array_equal(mask, [[True] * 3 + [False], [True] + [False] * 3])


def test_outputs_keep_masks_that_attention_takes_off():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(5, 6, mask_zero=True, name="embedding")(inputs)
    model = keras.Model(inputs, keras.layers.MultiHeadAttention(2, 3)(x, x))
    probes = Probes([find(model, Tap("embedding"))])
    with probes.reading():
        model(np.array([[1, 2, 3, 0]]))
        (found,) = probes.take()
    np.testing.assert_array_equal(mask_of(found), [[True] * 3 + [False]])
    assert not set(vars(model.get_layer("embedding"))) & {"call", "_set_mask_metadata"}


def test_operations_nested_models_and_calls_of_shared_layers():
    model, x = shared(), RNG.normal(size=(2, 6, 6, 3)).astype("float32")
    paths = [path for path, _ in everything(model)]
    assert [path.partition("_")[0] for path in paths] == [
        "conv",
        "inner/relu",
        "add",
        "inner",
        "multiply",
    ]
    conv = model.get_layer("conv")
    first, second, total, inner = read(
        model, x, Tap("conv", call=0), Tap("conv", call=1), Tap("add*"), Tap("inner")
    )
    np.testing.assert_allclose(first, conv(x), atol=1e-6)
    np.testing.assert_allclose(total, first + x, atol=1e-6)
    np.testing.assert_allclose(second, conv(total), atol=1e-5)
    np.testing.assert_allclose(inner, np.maximum(second, 0), atol=1e-6)


def test_a_layer_that_is_called_twice_needs_a_call():
    with pytest.raises(ValueError, match=r"'conv' is called 2 times in a step.*call=0"):
        read(shared(), np.zeros((1, 6, 6, 3)), Tap("conv"))
    with pytest.raises(ValueError, match="nothing to read.*call=2"):
        read(shared(), np.zeros((1, 6, 6, 3)), Tap("conv", call=2))


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("nothing", "matches no layer"),
        ("blocks/0/dens", r"similar paths are \['blocks/0/dense'"),
        ("blocks/*", "matches 1. of model"),
        (keras.layers.Dense, "Dense matches 3"),
        (lambda layer: layer.name == "?", "matches no layer"),
    ],
)
def test_a_tap_matches_one_layer(selector, message):
    with pytest.raises(ValueError, match=message):
        find(subclassed(), Tap(selector))


@pytest.mark.parametrize("loop", ["lstm", "each"])
def test_layers_in_loops_are_refused(loop):
    inputs = keras.Input((3, 4))
    x = keras.layers.LSTM(5, return_sequences=True, name="lstm")(inputs)
    x = keras.layers.TimeDistributed(keras.layers.Dense(2, name="dense"), name="each")(x)
    model = keras.Model(inputs, x)
    inside = [path for path, _ in everything(model) if path.startswith(f"{loop}/")]
    with pytest.raises(ValueError, match=f"loop of '{loop}'.*tap the output of '{loop}'"):
        find(model, Tap(inside[0]))
    assert read(model, np.zeros((2, 3, 4)), Tap(loop))[0].shape[:2] == (2, 3)


def test_only_attention_has_scores():
    with pytest.raises(ValueError, match="Only a `keras.layers.MultiHeadAttention`.*a Dense"):
        find(subclassed(), Tap("head", of="scores"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"of": "weights"}, ValueError), ({"call": -1}, ValueError), ({"call": True}, ValueError)],
)
def test_bad_arguments(arguments, error):
    with pytest.raises(error, match="Received: "):
        Tap("dense", **arguments)
    with pytest.raises(TypeError):
        Tap(3)


def test_nothing_stays_on_the_layers():
    model = subclassed()
    before = {path: set(vars(layer)) for path, layer in everything(model)}
    with pytest.raises(ZeroDivisionError):
        with Probes([find(model, Tap("head"))]).reading():
            raise ZeroDivisionError
    assert before == {path: set(vars(layer)) for path, layer in everything(model)}


def test_samples_have_the_shapes_of_the_inputs():
    assert sample_of(shared()).shape == (2, 6, 6, 3)
    assert sample_of(subclassed()).shape[::2] == (2, 4)
    inputs = {"ids": keras.Input((None,), dtype="int32"), "image": keras.Input((8, 8, 1))}
    model = keras.Model(inputs, keras.layers.Flatten()(inputs["image"]))
    sample = sample_of(model)
    assert np.all(sample["ids"] == 1) and sample["image"].shape == (2, 8, 8, 1)
