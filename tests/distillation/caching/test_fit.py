"""`fit` on the data of a cache."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from distillation.caching.problem import N, X, Y, cache, model

import kerasopt as ko
from kerasopt.training.taps import Tap


@pytest.fixture
def teacher():
    return model(units=16)


def trained(data, teacher, *callbacks, student=None, **options):
    """Returns the weights and the history of a student."""
    student = student or model(seed=1)
    callbacks = [*callbacks, ko.callbacks.Distillation(teacher, alpha=options.pop("alpha", 0.7))]
    options = {"epochs": 3, "verbose": 0, "shuffle": False, **options}
    history = student.fit(data, callbacks=callbacks, **options).history
    return student.get_weights(), history


def assert_alike(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_in_the_order_of_a_curriculum(teacher, tmp_path):
    cached = cache(teacher, tmp_path / "cache", dtype="float32")
    weights = []
    for wrap, taught in ((cached.dataset, cached), (lambda data: data, teacher)):
        data = ko.curriculum.CurriculumDataset(X, Y, np.arange(N), batch_size=8)
        curriculum = ko.callbacks.Curriculum(data, end="80%")
        found, history = trained(wrap(data), taught, curriculum)
        assert history["curriculum"][0] < history["curriculum"][-1] == 1
        weights.append(found)
    assert_alike(*weights)


def test_a_curriculum_that_fit_does_not_use_is_noticed(teacher, tmp_path):
    cached = cache(teacher, tmp_path / "cache")
    data, other = (ko.curriculum.CurriculumDataset(X, Y, np.arange(N), 8) for _ in range(2))
    with pytest.raises(ValueError, match="`fit` does not iterate over the dataset"):
        trained(cached.dataset(data), cached, ko.callbacks.Curriculum(other))


def test_without_labels_and_with_weights(teacher, tmp_path):
    cached = cache(teacher, tmp_path / "cache")

    def unlabelled(**weights):
        student = model(seed=1)
        student = keras.Sequential(student.layers)
        student.compile(keras.optimizers.SGD(0.1))
        before = student.get_weights()
        found, _ = trained(cached.dataset(X, **weights), cached, student=student, alpha=1.0)
        return max(np.abs(a - b).max() for a, b in zip(before, found, strict=True))

    assert unlabelled() > 0.01
    assert unlabelled(sample_weight=np.zeros(N, "float32")) == 0


def test_epochs_go_on_in_a_continued_training(teacher, tmp_path):
    noise = keras.layers.GaussianNoise(0.5)
    cached = cache(teacher, tmp_path / "cache", views=3, augment=noise)
    expected, _ = trained(cached.dataset(X, Y, batch_size=8), cached)
    student = model(seed=1)
    trained(cached.dataset(X, Y, batch_size=8), cached, student=student, epochs=1)
    data = cached.dataset(X, Y, batch_size=8)
    found, _ = trained(data, cached, student=student, initial_epoch=1)
    assert_alike(found, expected)


def test_the_order_of_tf_data_whatever_fit_shuffles(teacher, tmp_path):
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    cached = cache(teacher, tmp_path / "cache", data, dtype="float32")
    found, _ = trained(cached.dataset(data), cached, shuffle=True)
    expected, _ = trained(data, teacher)
    assert_alike(found, expected)


def test_features(teacher, tmp_path):
    data, place = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8), teacher.layers[0].name
    cached = cache(teacher, tmp_path / "cache", data, taps=[place], dtype="float32")
    weights = []
    for taught, batches in ((cached, cached.dataset(data)), (teacher, data)):
        student = model(seed=1)
        features = ko.distillation.Features("hint", [(student.layers[0].name, place)])
        callback = ko.callbacks.Distillation(taught, features=features)
        student.fit(batches, epochs=3, verbose=0, callbacks=[callback])
        weights.append(student.get_weights())
    assert_alike(*weights)


def test_taps_are_those_of_one_layer_however_they_name_it(tmp_path):
    inputs = keras.Input((6,))
    shared = keras.layers.Dense(6, name="shared")
    teacher = keras.Model(inputs, keras.layers.Dense(3, name="head")(shared(shared(inputs))))
    taps = [Tap("shared", call=1), Tap("shared", call=0)]
    cached = cache(teacher, tmp_path / "cache", taps=[*taps, "he*"])
    taught = cached.as_teacher()
    found = [taught.find(tap).operation for tap in (*taps, Tap("head"), Tap("he*"))]
    assert found == [0, 1, 2, 2]
    for other in (Tap("shared"), Tap("head", of="input"), Tap("body")):
        with pytest.raises(ValueError, match="does not contain the tap"):
            taught.find(other)


def test_channels_first_are_those_of_the_teacher(tmp_path):
    inputs = keras.Input((1, 2, 3))
    images = X.reshape(N, 1, 2, 3)
    pool = keras.layers.ZeroPadding2D(1, data_format="channels_first")
    for layer, expected in ((pool, True), (keras.layers.Flatten(), False)):
        cached = cache(keras.Model(inputs, layer(inputs)), tmp_path / layer.name, images)
        assert cached.as_teacher().channels_first == expected


def test_the_most_likely_classes_teach(tmp_path):
    teacher = model(classes=20, units=16)
    cached = cache(teacher, tmp_path / "cache", top_k=5)
    student = model(classes=20, seed=1)
    _, history = trained(cached.dataset(X, Y), cached, student=student)
    assert history["distillation_loss"][-1] < history["distillation_loss"][0]
