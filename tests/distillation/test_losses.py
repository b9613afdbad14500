import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt import distillation

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 6, 5)).astype("float32") * 4


def reference(teacher, student, temperature):
    p, q = (np.exp(v.astype("float64") / temperature) for v in (teacher, student))
    p, q = p / p.sum(-1, keepdims=True), q / q.sum(-1, keepdims=True)
    return temperature**2 * (p * np.log(p / q)).sum(-1)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 20.0))
def test_equals_the_formula(temperature):
    loss = distillation.KLDivergence(temperature)(TEACHER, STUDENT)
    np.testing.assert_allclose(loss, reference(TEACHER, STUDENT, temperature).mean(), rtol=1e-3)


def test_no_divergence_from_itself():
    np.testing.assert_allclose(distillation.KLDivergence(2.0)(STUDENT, STUDENT), 0, atol=1e-6)


def test_probabilities_give_what_their_logits_give():
    probabilities = [keras.ops.softmax(v) for v in (TEACHER, STUDENT)]
    expected = distillation.KLDivergence(3.0)(TEACHER, STUDENT)
    both = distillation.KLDivergence(3.0, from_logits=False)(*probabilities)
    teacher_only = distillation.KLDivergence(3.0, teacher_from_logits=False)
    np.testing.assert_allclose(both, expected, rtol=1e-4)
    np.testing.assert_allclose(teacher_only(probabilities[0], STUDENT), expected, rtol=1e-4)


def test_probabilities_of_zero_stay_finite():
    teacher, student = np.eye(3, dtype="float32"), np.eye(3, dtype="float32")[::-1].copy()
    loss = distillation.KLDivergence(4.0, from_logits=False)(teacher, student)
    assert np.isfinite(keras.ops.convert_to_numpy(loss))


def test_half_precision_outputs_are_computed_in_float32():
    half = [keras.ops.cast(v, "float16") for v in (TEACHER, STUDENT)]
    loss = distillation.KLDivergence(4.0)(*half)
    single = distillation.KLDivergence(4.0)(*(keras.ops.cast(v, "float32") for v in half))
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == float(single)


def test_sample_weights_and_further_axes():
    teacher, student = TEACHER.reshape(2, 3, 5), STUDENT.reshape(2, 3, 5)
    weights = np.array([[1.0, 0.0, 2.0], [0.5, 0.0, 0.0]], "float32")
    loss = distillation.KLDivergence(2.0)(teacher, student, weights)
    expected = (reference(teacher, student, 2.0) * weights).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_config_round_trip():
    loss = distillation.KLDivergence(3.0, from_logits=False, teacher_from_logits=True)
    copy = distillation.get(distillation.serialize(loss))
    assert type(copy) is distillation.KLDivergence
    assert copy.get_config() == loss.get_config()


def test_get():
    assert distillation.get("kl_divergence") is distillation.KLDivergence
    assert distillation.get("kld") is distillation.KLDivergence
    mse = keras.losses.MeanSquaredError()
    assert distillation.get(mse) is mse
    for identifier in ("mse", "MeanSquaredError", keras.losses.mean_squared_error):
        assert isinstance(distillation.get(identifier), keras.losses.Loss)
    for identifier in ("kl", "categorical_crossentropy", "BinaryCrossentropy", 3, {"a": "mse"}):
        with pytest.raises(ValueError, match="Received: loss="):
            distillation.get(identifier)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf")])
def test_bad_temperature(temperature):
    with pytest.raises(ValueError, match="Received: temperature="):
        distillation.KLDivergence(temperature)


def test_one_output_unit():
    with pytest.raises(ValueError, match="two or more classes"):
        distillation.KLDivergence()(TEACHER[:, :1], STUDENT[:, :1])
