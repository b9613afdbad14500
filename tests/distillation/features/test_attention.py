"""Losses between attention scores, and between queries, keys and values."""

import keras
import numpy as np
import pytest
from distillation.features import references
from distillation.features.gradients import gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt import distillation
from kerasopt.keras_internals.calls import set_mask

SEEDS = st.integers(0, 10**6)


def scores(rng, heads=2, batch=3, queries=4, keys=5):
    """Draws attention probabilities."""
    drawn = references.softmax(rng.normal(size=(batch, heads, queries, keys)) * 2)
    return drawn.astype("float32")


def vectors(rng, width=8, batch=3, length=5):
    """Draws queries, keys and values."""
    return tuple(rng.normal(size=(3, batch, length, width)).astype("float32"))


def with_mask(tensor, mask):
    tensor = keras.ops.convert_to_tensor(tensor)
    set_mask(tensor, keras.ops.convert_to_tensor(mask))
    return tensor


def exact(tensors):
    return [tensor.astype("float64") for tensor in tensors]


class TestAttentionMaps:
    @settings(max_examples=20, deadline=None)
    @given(SEEDS, st.integers(1, 4))
    def test_equals_the_formulas(self, seed, keys):
        rng = np.random.default_rng(seed)
        teacher, student = scores(rng, keys=keys), scores(rng, keys=keys)
        t, s = exact([teacher, student])
        squared = distillation.AttentionMaps(reduction=None)(teacher, student)
        np.testing.assert_allclose(squared, references.attention_maps(t, s), rtol=1e-4, atol=1e-7)
        divergence = distillation.AttentionMaps("kl_divergence", reduction=None)(teacher, student)
        expected = (t * np.log(t / s)).sum(-1).mean((1, 2))
        np.testing.assert_allclose(divergence, expected, rtol=1e-3, atol=1e-5)

    def test_other_numbers_of_heads(self):
        rng = np.random.default_rng(0)
        teacher, student = scores(rng, heads=6), scores(rng, heads=2)
        expected = references.attention_maps(
            *(x.mean(1, keepdims=True) for x in (teacher, student))
        )
        found = distillation.AttentionMaps(reduction=None)(teacher, student)
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    @pytest.mark.parametrize("distance", ["squared", "kl_divergence"])
    def test_padding_does_not_count(self, distance):
        rng = np.random.default_rng(0)
        teacher, student = scores(rng), scores(rng)
        mask = np.arange(4) < np.array([[4], [2], [3]])
        loss = distillation.AttentionMaps(distance, reduction=None)
        expected = [
            float(loss(t[None, :, m], s[None, :, m])[0])
            for t, s, m in zip(teacher, student, mask, strict=True)
        ]
        np.testing.assert_allclose(loss(teacher, with_mask(student, mask)), expected, rtol=1e-5)

    @pytest.mark.parametrize("distance", ["squared", "kl_divergence"])
    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_probabilities_of_zero(self, distance, dtype):
        teacher, student = (
            np.eye(4, dtype=dtype)[None, None],
            np.eye(4, dtype=dtype)[None, None, ::-1],
        )
        loss = distillation.AttentionMaps(distance)
        assert np.isfinite(float(loss(teacher, student)))
        assert np.isfinite(gradients(loss, teacher, student.astype("float32"))).all()

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match="Received: distance='mse'"):
            distillation.AttentionMaps("mse")
        loss, rng = distillation.AttentionMaps(), np.random.default_rng(0)
        with pytest.raises(ValueError, match="Received: a tensor of shape"):
            loss(np.ones((2, 4, 4)), np.ones((2, 4, 4)))
        with pytest.raises(ValueError, match="queries and keys: .* Received: "):
            loss(scores(rng, keys=4), scores(rng, keys=5))


class TestRelations:
    @settings(max_examples=20, deadline=None)
    @given(SEEDS, st.integers(1, 6), st.sampled_from([1, 2, 4]))
    def test_equals_the_formula(self, seed, length, heads):
        rng = np.random.default_rng(seed)
        teacher, student = vectors(rng, 12, length=length), vectors(rng, 8, length=length)
        expected = references.relations(exact(teacher), exact(student), heads)
        found = distillation.Relations(heads, reduction=None)(teacher, student)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)

    def test_the_heads_of_models_do_not_matter(self):
        rng = np.random.default_rng(0)
        teacher, student = vectors(rng, 12), vectors(rng, 8)
        loss = distillation.Relations(4)
        apart = [
            tuple(x.reshape(3, 5, heads, -1) for x in each)
            for each, heads in ((teacher, 3), (student, 2))
        ]
        np.testing.assert_allclose(loss(*apart), loss(teacher, student), rtol=1e-6)

    @pytest.mark.parametrize("masked", [0, 2])
    def test_padding_does_not_count(self, masked):
        rng = np.random.default_rng(0)
        pair = teacher, student = vectors(rng), list(vectors(rng))
        mask = np.arange(5) < np.array([[5], [1], [3]])
        expected = [
            references.relations(*(exact(np.array(x)[:, i : i + 1, m]) for x in pair))[0]
            for i, m in enumerate(mask)
        ]
        student[masked] = with_mask(student[masked], mask)
        found = distillation.Relations(2, reduction=None)(teacher, tuple(student))
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)

    def test_samples_of_padding_alone(self):
        rng = np.random.default_rng(0)
        teacher, student = vectors(rng), vectors(rng)
        mask = np.array([[True] * 5, [False] * 5, [True] * 5])
        loss = distillation.Relations(2, reduction=None)
        found = keras.ops.convert_to_numpy(
            loss(teacher, (with_mask(student[0], mask), *student[1:]))
        )
        assert np.isfinite(found).all() and found[1] == 0 and found[0] > 0

    @pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
    def test_gradients_are_finite(self, scale):
        rng = np.random.default_rng(0)
        teacher, student = vectors(rng), vectors(rng)
        found = gradients(
            lambda t, x: distillation.Relations(2)(t, (x, *student[1:])),
            teacher,
            student[0] * scale,
        )
        assert np.isfinite(found).all()

    def test_half_precision_is_computed_in_float32(self):
        rng = np.random.default_rng(0)
        half = [tuple((x * 100).astype("float16") for x in vectors(rng)) for _ in range(2)]
        single = [tuple(x.astype("float32") for x in each) for each in half]
        loss = distillation.Relations(2)
        assert float(loss(*half)) == float(loss(*single))

    @pytest.mark.parametrize("heads", [0, -1, 2.0, "8"])
    def test_bad_heads(self, heads):
        with pytest.raises(ValueError, match="Received: heads="):
            distillation.Relations(heads)

    def test_bad_features(self):
        rng = np.random.default_rng(0)
        with pytest.raises(ValueError, match="queries, keys and values. Received: "):
            distillation.Relations(2)(vectors(rng)[0], vectors(rng)[0])
        with pytest.raises(ValueError, match="queries, keys and values. Received: "):
            distillation.Relations(2)(vectors(rng)[:2], vectors(rng)[:2])
        with pytest.raises(ValueError, match="must divide their width. Received: heads=3"):
            distillation.Relations(3)(vectors(rng, 9), vectors(rng, 8))
        with pytest.raises(ValueError, match="equal lengths: .* Received: "):
            distillation.Relations(2)(vectors(rng), vectors(rng, length=4))
        with pytest.raises(ValueError, match="must divide their width. Received: "):
            distillation.Relations(1)(*[tuple(np.ones((3, 2, 5)))] * 2)
