"""What all losses on outputs have in common."""

import keras
import numpy as np
import pytest
from distillation.losses.references import CLASS_LOSSES, EVERY_LOSS, gradient

import kerasopt as ko
from kerasopt import distillation

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 6, 5)).astype("float32") * 4
WITH_TEMPERATURE = [name for name in EVERY_LOSS if name != "LogitsMSE"]
EXTREMES = {
    "large": np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], "float32"),
    "equal": np.full((2, 3), 2.5, "float32"),
    "zero": np.zeros((2, 3), "float32"),
    "mixed": np.array([[1e4, 1e4, 1e4], [0.0, 1e-6, -1e-6]], "float32"),
}
PROBABILITIES = np.eye(3, dtype="float32")[:2]


def variants(name):
    """The loss with and without standardization."""
    make = getattr(distillation, name)
    return [{}] if name == "BinaryKLDivergence" else [{}, {"standardize": True}], make


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_nothing_to_learn_from_itself(name):
    options, make = variants(name)
    for each in options:
        np.testing.assert_allclose(make(**each)(STUDENT, STUDENT), 0, atol=1e-5)


@pytest.mark.parametrize("student", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("teacher", EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("name", EVERY_LOSS)
def test_finite_with_finite_gradients_at_any_logits(name, teacher, student):
    options, make = variants(name)
    for each in options:
        loss = make(**each)
        assert np.isfinite(float(loss(teacher, student)))
        assert np.isfinite(gradient(lambda x, loss=loss: loss(teacher, x), student)).all()


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_finite_with_finite_gradients_at_probabilities_of_zero(name):
    options, make = variants(name)
    tiny = PROBABILITIES + np.float32(1.5e-38)  # whose reciprocal times 20 is too much for float32
    hot = {"temperature": 20.0} if name in WITH_TEMPERATURE else {}
    for each in options:
        loss = make(from_logits=False, **hot, **each)
        for student in (PROBABILITIES[::-1].copy(), tiny[::-1].copy(), PROBABILITIES):
            assert np.isfinite(float(loss(PROBABILITIES, student)))
            slope = gradient(lambda x, loss=loss: loss(PROBABILITIES, x), student)
            assert np.isfinite(slope).all()


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_equal_logits_have_gentle_gradients(name):
    """As a last layer has that starts with zeros."""
    options, make = variants(name)
    for each in options:
        slope = gradient(lambda x, make=make, each=each: make(**each)(TEACHER, x), 0 * STUDENT)
        assert 0 <= np.abs(slope).max() < 2000


@pytest.mark.parametrize("name", EVERY_LOSS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_computed_in_float32(name, dtype):
    loss = getattr(distillation, name)()
    pair = [keras.ops.cast(v, dtype) for v in (TEACHER, STUDENT)]
    value = loss(*pair)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == float(loss(*(keras.ops.cast(v, "float32") for v in pair)))


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_one_value_for_each_sample_or_position(name):
    loss = getattr(distillation, name)(reduction=None)
    flat = loss(TEACHER, STUDENT)
    deep = loss(TEACHER.reshape(2, 3, 5), STUDENT.reshape(2, 3, 5))
    assert flat.shape == (6,) and deep.shape == (2, 3)
    np.testing.assert_allclose(np.ravel(deep), flat, rtol=1e-5)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_sample_weights(name):
    loss = getattr(distillation, name)
    weights = np.array([[1.0, 0.0, 2.0], [0.5, 0.0, 0.0]], "float32")
    pair = TEACHER.reshape(2, 3, 5), STUDENT.reshape(2, 3, 5)
    expected = np.mean(loss(reduction=None)(*pair) * weights)
    np.testing.assert_allclose(loss()(*pair, weights), expected, rtol=1e-5)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_config_round_trip(name):
    options, make = variants(name)
    for each in options:
        loss = make(from_logits=False, teacher_from_logits=True, name="mine", **each)
        copy = distillation.get(distillation.serialize(loss))
        assert type(copy) is make and copy.get_config() == loss.get_config()
        assert make.from_config(loss.get_config()).get_config() == loss.get_config()
        pair = abs(TEACHER), abs(STUDENT) / 100
        assert float(copy(*pair)) == float(loss(*pair))


@pytest.mark.parametrize("name", WITH_TEMPERATURE)
def test_a_temperature_may_follow_a_schedule(name):
    make = getattr(distillation, name)
    schedule = ko.schedules.PolynomialDecay(8.0, 2.0, end=100)
    loss = make(temperature=schedule)
    copy = distillation.deserialize(distillation.serialize(loss))
    assert copy.get_config() == loss.get_config()
    expected = float(make(temperature=8.0)(TEACHER, STUDENT))
    assert float(loss(TEACHER, STUDENT)) == float(copy(TEACHER, STUDENT)) == expected


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan"), float("inf"), "hot"])
@pytest.mark.parametrize("name", WITH_TEMPERATURE)
def test_bad_temperature(name, temperature):
    with pytest.raises(ValueError, match="Received: temperature="):
        getattr(distillation, name)(temperature=temperature)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("Decoupled", "alpha"), ("Decoupled", "beta"), ("DIST", "beta"), ("DIST", "gamma")],
)
def test_bad_weights(name, argument):
    with pytest.raises(ValueError, match=f"Received: {argument}=-1"):
        getattr(distillation, name)(**{argument: -1.0})


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_too_few_classes(name):
    make = getattr(distillation, name)
    with pytest.raises(ValueError, match=r"two or more classes.*'binary'.*shape \(6, 1\)"):
        make()(TEACHER[:, :1], STUDENT[:, :1])
    with pytest.raises(ValueError, match=r"three or more classes.*Leave `standardize` out"):
        make(standardize=True)(TEACHER[:, :2], STUDENT[:, :2])
    assert np.isfinite(float(make()(TEACHER[:, :2], STUDENT[:, :2])))


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_outputs_of_other_shapes(name):
    with pytest.raises(ValueError, match=r"shape \(6, 4\), of the student \(6, 5\)"):
        getattr(distillation, name)()(TEACHER[:, :4], STUDENT)


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_a_batch_of_one(name):
    loss = getattr(distillation, name)()
    assert np.isfinite(float(loss(TEACHER[:1], STUDENT[:1])))
    assert np.isfinite(gradient(lambda x: loss(TEACHER[:1], x), STUDENT[:1])).all()
