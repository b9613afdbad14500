"""Teachers: models with other inputs, files, several, the student's own past, damaged ones."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.callbacks.distillation import Distillation
from kerasopt.distillation import ModelTeacher, SelfTeacher

RNG = np.random.default_rng(0)
X = RNG.random((32, 8, 8, 3), "float32")
Y = RNG.integers(0, 4, 32)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(seed=0, size=8, layer=None, **options):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = x if layer is None else layer(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(x), name=f"model_{seed}")
    model.compile(keras.optimizers.SGD(0.0), LOGITS, metrics=["accuracy"], **options)
    return model


def fit(model, *callbacks, x=X, **options):
    options = {"batch_size": 8, "verbose": 0, "shuffle": False, **options}
    return model.fit(x, Y, callbacks=[*callbacks], **options).history


def divergence(taught, student, temperature=4.0):
    given = student.predict(X, verbose=0)
    return float(ko.distillation.KLDivergence(temperature)(taught, given))


def test_images_of_another_size_are_resized():
    teacher, student = build(1, size=12), build(2)
    larger = keras.ops.image.resize(X, (12, 12), antialias=True)
    expected = divergence(teacher.predict(np.asarray(larger), verbose=0), student)
    history = fit(student, Distillation(teacher))
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-4)


def test_preprocessing_of_its_own():
    teacher, student = build(1), build(2)
    expected = divergence(teacher.predict(2 * X - 1, verbose=0), student)
    given = ModelTeacher(teacher, preprocess=keras.layers.Rescaling(2.0, -1.0))
    history = fit(student, Distillation(given))
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-4)


@pytest.mark.parametrize("form", ["litert", "onnx", "tf_saved_model"])
@pytest.mark.parametrize("options", [{}, {"jit_compile": False}])
def test_files_teach_as_their_models(form, options, tmp_path):
    teacher, student = build(1), build(2, **options)
    path = tmp_path / {"litert": "t.tflite", "onnx": "t.onnx", "tf_saved_model": "t"}[form]
    ko.export(teacher, path, format=form)
    expected = divergence(teacher.predict(X, verbose=0), student)
    history = fit(student, Distillation(path, from_logits=True))
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-3)
    with pytest.raises(ValueError, match="Only the features of a Keras model.*'conv'"):
        features = ko.distillation.Features("hint", [("conv", "conv")])
        fit(student, Distillation(path, from_logits=True, features=features))


@pytest.mark.parametrize("name", ["teacher.keras", "teacher.txt"])
def test_files_that_are_no_teachers(name, tmp_path):
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match="SavedModel, or a `.tflite` or `.onnx`"):
        Distillation(tmp_path / name)
    with pytest.raises(TypeError, match="Received: teacher="):
        Distillation(tmp_path / "nothing.tflite")


def test_several_teachers_count_the_same():
    teachers, student = [build(1), build(3)], build(2)
    losses = [divergence(each.predict(X, verbose=0), student) for each in teachers]
    history = fit(student, Distillation(teachers))
    np.testing.assert_allclose(history["distillation_loss"], [np.mean(losses)], rtol=1e-4)
    with pytest.raises(ValueError, match="Received: 2 teachers, and features"):
        Distillation(teachers, features="hint")
    with pytest.raises(ValueError, match="must not be empty"):
        Distillation([])
    with pytest.raises(ValueError, match="Received: teacher_weights='best'"):
        Distillation(teachers, teacher_weights="best")


def test_the_teacher_that_is_right_counts_more():
    student = build(2)
    right, wrong = build(1), build(1)
    right.layers[-1].bias.assign([0, 8.0, 0, 0])
    wrong.layers[-1].bias.assign([8.0, 0, 0, 0])
    labels = np.ones(32, "int64")
    losses = [divergence(each.predict(X, verbose=0), student) for each in (right, wrong)]
    callback = Distillation([right, wrong], teacher_weights="confidence")
    options = {"batch_size": 8, "verbose": 0, "callbacks": [callback]}
    history = student.fit(X, labels, **options).history
    # Weights are 1 less the share of the exponential of the cross entropy (Zhang et al., 2022).
    entropies = [float(LOGITS(labels, each.predict(X, verbose=0))) for each in (right, wrong)]
    share = 1 / (1 + np.exp(entropies[0] - entropies[1]))
    expected = share * losses[0] + (1 - share) * losses[1]
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-2)


def test_an_average_of_the_past_teaches():
    student = build(2)
    student.optimizer.learning_rate = 0.5
    history = fit(student, Distillation(SelfTeacher(0.5)), epochs=3)
    assert 0 <= history["distillation_loss"][0] < 1e-2
    assert max(history["distillation_loss"]) > 0
    frozen = build(2)
    np.testing.assert_allclose(
        fit(frozen, Distillation(SelfTeacher(0.5)), epochs=2)["distillation_loss"], 0, atol=1e-5
    )


def test_the_best_epoch_teaches_from_the_second_one_on():
    student = build(2)
    student.optimizer.learning_rate = 0.5
    callback = Distillation(SelfTeacher(monitor="val_loss"), alpha=0.5)
    history = fit(student, callback, epochs=3, validation_data=(X, Y))
    np.testing.assert_allclose(history["loss"][0], history["hard_loss"][0], rtol=1e-5)
    parts = 0.5 * history["hard_loss"][1] + 0.5 * history["distillation_loss"][1]
    np.testing.assert_allclose(history["loss"][1], parts, rtol=1e-4)
    with pytest.raises(ValueError, match="Received: monitor='nothing'"):
        fit(student, Distillation(SelfTeacher(monitor="nothing")))
    with pytest.raises(ValueError, match="Received: decay=1.0"):
        SelfTeacher(1.0)


class LeftOn(keras.layers.Layer):
    def call(self, x):
        return keras.ops.multiply(x, keras.random.dropout(keras.ops.ones_like(x), 0.5, seed=SEED))


SEED = keras.random.SeedGenerator(0)


def test_a_teacher_with_dropout_left_on():
    student = build(2)
    before = student.get_weights()
    with pytest.raises(ValueError, match="other outputs when it is called again.*dropout"):
        fit(student, Distillation(build(1, layer=LeftOn())))
    for a, b in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_with_damaged_weights():
    teacher = build(1)
    teacher.layers[-1].bias.assign([0, np.nan, 0, 0])
    with pytest.raises(ValueError, match="NaN or infinite.*Received: teacher=model_1"):
        fit(build(2), Distillation(teacher))


@pytest.mark.parametrize("place", [3, 30])
def test_nan_for_some_samples_is_not_learned_and_raises(place):
    inputs, student = keras.Input((8, 8, 3)), build(2)
    largest = keras.ops.max(inputs, axis=(1, 2, 3))[:, None]
    damaged = keras.ops.where(largest > 1.0, float("nan"), 0.0)
    teacher = keras.Model(inputs, build(1)(inputs) + damaged)
    teacher.compile(loss=LOGITS)
    student.optimizer.learning_rate = 0.1
    x = X.copy()
    x[place] = 2.0
    with pytest.raises(ValueError, match="NaN or infinite outputs for 1 samples.*has not learned"):
        fit(student, Distillation(teacher), x=x)
    assert all(np.isfinite(each).all() for each in student.get_weights())
