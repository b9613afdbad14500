"""What all feature losses have in common, on sequences of features."""

import keras
import numpy as np
import pytest
from distillation.features import references
from distillation.features.gradients import gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt import distillation
from kerasopt.distillation.features import FEATURE_LOSSES
from kerasopt.keras_internals.calls import set_mask

# Those that read features of shape (batch, ..., channels).
POSITIONS = ["hint", "hidden_states", "cosine", "normalized", "attention_transfer"]
SAMPLES = ["similarity", "relational"]
ALIASES = [*POSITIONS, *SAMPLES]


def reference(alias):
    return getattr(references, {"hidden_states": "hint"}.get(alias, alias))


def of_samples(alias, teacher, student, **options):
    """Returns the loss of each sample."""
    loss = FEATURE_LOSSES.get(alias)
    loss = type(loss)(**{**loss.get_config(), **options, "reduction": None})
    return keras.ops.convert_to_numpy(loss(teacher, student))


@pytest.mark.parametrize("alias", ALIASES)
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(2, 6),
    length=st.integers(1, 6),
    scale=st.sampled_from([1e-2, 1.0, 1e2]),
)
def test_equals_the_formula(alias, seed, batch, length, scale):
    pair = references.sequences(np.random.default_rng(seed), batch, length, scale=scale)
    expected = reference(alias)(*(each.astype("float64") for each in pair))
    # Differences of maps are below the rounding of the maps.
    found = of_samples(alias, *pair)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("alias", ALIASES)
def test_what_is_equal_has_no_loss(alias):
    teacher, _ = references.sequences(np.random.default_rng(0))
    np.testing.assert_allclose(of_samples(alias, teacher, teacher), 0, atol=1e-5)


@pytest.mark.parametrize("alias", ALIASES)
def test_images_are_sequences_of_their_positions(alias):
    teacher, student = references.sequences(np.random.default_rng(0), length=6)
    images = [each.reshape(4, 2, 3, -1) for each in (teacher, student)]
    expected = of_samples(alias, teacher, student)
    np.testing.assert_allclose(of_samples(alias, *images), expected, rtol=1e-5)


@pytest.mark.parametrize("alias", ["attention_transfer", *SAMPLES])
def test_channels_may_differ(alias):
    teacher, student = references.sequences(np.random.default_rng(0), channels=(7, 2))
    expected = reference(alias)(teacher.astype("float64"), student.astype("float64"))
    np.testing.assert_allclose(of_samples(alias, teacher, student), expected, rtol=1e-3, atol=1e-6)
    assert "channels" not in FEATURE_LOSSES.get(alias).adapts


@pytest.mark.parametrize("alias", POSITIONS)
def test_padding_does_not_count(alias):
    teacher, student = references.sequences(np.random.default_rng(0))
    mask = np.arange(5) < np.array([[5], [3], [1], [4]])
    teacher[~mask], student[~mask] = 1e3, np.nan
    counted = ([x[m] for x, m in zip(f, mask, strict=True)] for f in (teacher, student))
    expected = reference(alias)(*counted)
    tensor = keras.ops.convert_to_tensor(student)
    set_mask(tensor, keras.ops.convert_to_tensor(mask))
    np.testing.assert_allclose(of_samples(alias, teacher, tensor), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("alias", SAMPLES)
@pytest.mark.parametrize("length", [5, 4])
def test_padding_counts_as_zeros_between_samples(alias, length):
    _, student = references.sequences(np.random.default_rng(0))
    teacher, _ = references.sequences(np.random.default_rng(1), length=length)
    mask = np.arange(5) < np.array([[5], [3], [1], [4]])
    zeros = teacher * mask[..., None] if length == 5 else teacher
    expected = of_samples(alias, zeros, student * mask[..., None])
    student[~mask] = np.nan
    tensor = keras.ops.convert_to_tensor(student)
    set_mask(tensor, keras.ops.convert_to_tensor(mask))
    np.testing.assert_allclose(of_samples(alias, teacher, tensor), expected, rtol=1e-5)


@pytest.mark.parametrize("alias", ALIASES)
def test_sample_weights(alias):
    teacher, student = references.sequences(np.random.default_rng(0))
    weights = np.array([1.0, 0.0, 2.0, 0.5], "float32")
    loss, expected = FEATURE_LOSSES.get(alias), of_samples(alias, teacher, student) @ weights / 4
    np.testing.assert_allclose(loss(teacher, student, weights), expected, rtol=1e-5)
    np.testing.assert_allclose(loss(teacher, student, weights[:, None]), expected, rtol=1e-5)
    of_positions = weights[:, None] * [0.0, 1.0, 1.0, 1.0, 2.0]  # means are the same
    np.testing.assert_allclose(loss(teacher, student, of_positions), expected, rtol=1e-5)


@pytest.mark.parametrize("alias", ALIASES)
def test_half_precision_is_computed_in_float32(alias):
    pair = references.sequences(np.random.default_rng(0), scale=1e3)
    half = [each.astype("float16") for each in pair]
    found = FEATURE_LOSSES.get(alias)(*half)
    single = FEATURE_LOSSES.get(alias)(*(each.astype("float32") for each in half))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    assert np.isfinite(float(found)) and float(found) == float(single)


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("zeros", ["student", "teacher", "both", "none"])
def test_gradients_are_finite(alias, batch, zeros):
    teacher, student = references.sequences(np.random.default_rng(0), batch)
    student[-1] = student[0]  # a sample occurs twice
    teacher[-1] = teacher[0]
    teacher *= zeros not in ("teacher", "both")
    student *= zeros not in ("student", "both")
    found = gradients(FEATURE_LOSSES.get(alias), teacher, student)
    assert np.isfinite(found).all() and np.abs(found).max() < 1e3
    if zeros == "none" and not (alias in SAMPLES and batch == 1):
        assert np.abs(found).max() > 0


@pytest.mark.parametrize("alias", SAMPLES)
def test_one_sample_has_no_relations(alias):
    teacher, student = references.sequences(np.random.default_rng(0), batch=1)
    np.testing.assert_allclose(of_samples(alias, teacher, student), [0], atol=1e-12)


@pytest.mark.parametrize("alias", POSITIONS)
@pytest.mark.parametrize("shape", [(4, 6, 3), (3, 5, 3), (4, 5), (4, 5, 1, 3)])
def test_other_shapes(alias, shape):
    with pytest.raises(ValueError, match=r"Received: features of the teacher of shape \(4, 5, 3\)"):
        FEATURE_LOSSES.get(alias)(np.ones((4, 5, 3)), np.ones(shape))


@pytest.mark.parametrize("alias", SAMPLES)
def test_other_samples(alias):
    with pytest.raises(ValueError, match="the same samples: .* Received: "):
        FEATURE_LOSSES.get(alias)(np.ones((4, 5, 3)), np.ones((3, 5, 3)))


def test_vectors_have_no_positions():
    with pytest.raises(ValueError, match="Received: features of shape"):
        distillation.AttentionTransfer()(np.ones((4, 3)), np.ones((4, 3)))


@pytest.mark.parametrize("alias", ["hint", "cosine", "normalized", *SAMPLES])
def test_vectors(alias):
    teacher, student = references.sequences(np.random.default_rng(0), length=1)
    expected = of_samples(alias, teacher, student)
    np.testing.assert_allclose(of_samples(alias, teacher[:, 0], student[:, 0]), expected, rtol=1e-5)


@pytest.mark.parametrize("alias", ALIASES)
def test_symbols_with_unknown_sizes(alias):
    teacher = keras.Input((5, 3))
    student = keras.Input((5, 3))
    loss = FEATURE_LOSSES.get(alias)
    assert keras.ops.cast(loss.call(teacher, student), "float32").shape == (None,)


def test_aliases_are_names_in_logs():
    assert FEATURE_LOSSES.get("hidden_states").name == "hidden_states"
    assert distillation.Hint().name == "hint"
    assert distillation.Hint(name="mine").name == "mine"


def test_losses_of_keras_and_of_others():
    loss = keras.losses.MeanAbsoluteError()
    assert FEATURE_LOSSES.get(loss) is loss
    with pytest.raises(ValueError, match="must be a `keras.losses.Loss` or one of"):
        FEATURE_LOSSES.get("mse")
