"""Losses that read the labels."""

import keras
import numpy as np
import pytest
from distillation.losses.references import compiled, gradient

import kerasopt as ko
from kerasopt import distillation

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 6, 5)).astype("float32") * 4
LABELS = np.array([0, 4, 2, 2, 1, 3])
ONE_HOT = np.eye(5)[LABELS]
LOSS = distillation.Decoupled(reduction=None)
EXPECTED = np.asarray(LOSS((TEACHER, LABELS), STUDENT))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32"])
@pytest.mark.parametrize(
    "labels", [LABELS, LABELS[:, None], ONE_HOT], ids=["flat", "column", "hot"]
)
def test_forms_of_labels(labels, dtype):
    found = LOSS((TEACHER, labels.astype(dtype)), STUDENT)
    np.testing.assert_array_equal(found, EXPECTED)


def test_labels_of_positions():
    pair = TEACHER.reshape(2, 3, 5), STUDENT.reshape(2, 3, 5)
    for labels in (LABELS.reshape(2, 3), LABELS.reshape(2, 3, 1), ONE_HOT.reshape(2, 3, 5)):
        np.testing.assert_allclose(np.ravel(LOSS((pair[0], labels), pair[1])), EXPECTED, rtol=1e-6)


def test_without_labels_the_class_of_the_teacher_stands_in():
    expected = LOSS((TEACHER, TEACHER.argmax(-1)), STUDENT)
    np.testing.assert_array_equal(LOSS(TEACHER, STUDENT), expected)


SOFT = np.full((6, 5), 0.2)
WRONG = {
    "out of range": (LABELS + 1, r"from 0 to 4.*a label of 5"),
    "negative": (LABELS - 1, r"a label of -1"),
    "column": (LABELS[:, None] + 1, r"a label of \[5"),
    "fractions": (LABELS + 0.5, r"a label of 0.5"),
    "soft": (SOFT, r"or one-hot.*a label of \[0.2"),
    "several": (np.minimum(ONE_HOT + np.eye(5)[0], 1), r"a label of \[1"),
    "mixed": (ONE_HOT * 0.9 + 0.02, r"a label of \[0.9"),
}


@pytest.mark.parametrize(("labels", "message"), WRONG.values(), ids=WRONG)
def test_labels_that_name_no_class(labels, message):
    with pytest.raises(ValueError, match=message):
        LOSS((TEACHER, labels), STUDENT)


@pytest.mark.parametrize("labels", [each for each, _ in WRONG.values()], ids=WRONG)
def test_in_a_compiled_step_the_loss_of_such_samples_is_nan(labels):
    loss = compiled(lambda labels: LOSS((TEACHER, labels), STUDENT))
    found = np.asarray(loss(keras.ops.convert_to_tensor(labels, "float32")))
    assert np.isnan(found).any()
    right = np.asarray(loss(keras.ops.convert_to_tensor(LABELS, "float32")))
    np.testing.assert_allclose(right, EXPECTED, rtol=1e-5)


@pytest.mark.parametrize(
    "labels", [LABELS[:4], ONE_HOT[:, :3], ONE_HOT[:, :, None], np.zeros((3, 2)), np.zeros(())]
)
def test_labels_of_another_shape(labels):
    with pytest.raises(ValueError, match=r"one-hot of shape \(6, 5\).*labels of shape \("):
        LOSS((TEACHER, labels), STUDENT)


@pytest.mark.parametrize("labels", [each for each, _ in WRONG.values()], ids=WRONG)
def test_fit_ends_after_the_first_step_and_learns_nothing_from_them(labels):
    x = RNG.normal(size=(6, 3)).astype("float32")
    teacher, student = (keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)]) for _ in "ab")
    student.compile("adam", lambda y_true, y_pred: keras.ops.sum(y_pred, axis=-1))
    callback = ko.callbacks.Distillation(teacher, loss="decoupled", from_logits=True)
    with pytest.raises(ValueError, match=r"labels are neither integers.*such as 'kl_divergence'"):
        student.fit(x, labels.astype("float32"), epochs=3, verbose=0, callbacks=[callback])
    assert all(np.isfinite(weight).all() for weight in student.get_weights())


def test_an_ignored_class():
    labels = np.where(LABELS == 2, 255, LABELS)
    kept = LABELS != 2
    loss = distillation.Decoupled(ignore_class=255)
    for form in (labels, labels[:, None], labels.astype("float32")):
        assert float(loss((TEACHER, form), STUDENT)) == pytest.approx(EXPECTED[kept].mean())
    assert float(loss((TEACHER, LABELS), STUDENT)) == pytest.approx(EXPECTED.mean())
    copy = distillation.get(distillation.serialize(loss))
    assert float(copy((TEACHER, labels), STUDENT)) == pytest.approx(EXPECTED[kept].mean())
    slope = gradient(lambda x: loss((TEACHER, labels), x), STUDENT)
    assert np.isfinite(slope).all() and not slope[~kept].any() and slope[kept].any()
    with pytest.raises(ValueError, match="a label of 7"):
        loss((TEACHER, np.where(LABELS == 1, 7, labels)), STUDENT)


def test_the_ignored_class_of_the_compiled_loss_is_found_out():
    x, labels = RNG.normal(size=(6, 3)).astype("float32"), np.where(LABELS == 2, -1, LABELS)
    teacher, student = (keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)]) for _ in "ab")
    ignoring = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    student.compile(keras.optimizers.SGD(0.0), ignoring)
    pair = teacher.predict(x, verbose=0), student.predict(x, verbose=0)
    callback = ko.callbacks.Distillation(teacher, loss="decoupled")
    found = student.fit(x, labels, verbose=0, callbacks=[callback]).history["distillation_loss"]
    expected = float(distillation.Decoupled(ignore_class=-1)((pair[0], labels), pair[1]))
    assert found[0] == pytest.approx(expected, rel=1e-4)
