"""Distillation from a cache equals that from the teacher itself."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.callbacks.distillation import Distillation

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(32, 3)).astype("float32"), RNG.integers(0, 4, 32)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(units, seed, **options):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,))
    x = keras.layers.Dense(units, activation="relu", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(4)(x), name=f"dense_{units}")
    model.compile(keras.optimizers.Adam(1e-2), LOGITS, metrics=["accuracy"], **options)
    return model


class Plain(keras.utils.PyDataset):
    """The batches of a cached dataset, without what they carry."""

    def __init__(self, data):
        super().__init__()
        self.data = data

    def __len__(self):
        return len(self.data)

    def on_epoch_end(self):
        self.data.on_epoch_end()

    def __getitem__(self, index):
        return self.data[index][:2]


@pytest.fixture
def teacher():
    return build(16, 0)


@pytest.fixture
def cached(teacher, tmp_path):
    return ko.distillation.cache(teacher, X, tmp_path / "cache", dtype="float32", verbose=0)


def fit(model, data, *callbacks, **options):
    options = {"epochs": 3, "verbose": 0, "shuffle": False, **options}
    return model.fit(data, callbacks=[*callbacks], **options).history


@pytest.mark.parametrize("options", [{}, {"jit_compile": False}, {"steps_per_execution": 2}])
@pytest.mark.parametrize("loss", ["kl_divergence", "decoupled"])
def test_equals_the_teacher_itself(teacher, cached, options, loss):
    students = [build(4, 1, **options) for _ in range(2)]
    data = cached.dataset(X, Y, batch_size=8, shuffle=False)
    found = fit(students[0], data, Distillation(cached, loss=loss))
    expected = fit(students[1], Plain(data), Distillation(teacher, loss=loss))
    for name in ("loss", "hard_loss", "distillation_loss", "accuracy"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
    for a, b in zip(*(student.get_weights() for student in students), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_validation_data_of_a_cache_shows_the_agreement(teacher, cached):
    student, data = build(4, 1), cached.dataset(X, Y, batch_size=8)
    history = fit(student, data, Distillation(cached), validation_data=data)
    pair = (model.predict(X, verbose=0).argmax(-1) for model in (teacher, student))
    assert history["val_agreement"][-1] == pytest.approx(np.mean(next(pair) == next(pair)))
    plain = fit(build(4, 1), data, Distillation(cached), validation_data=(X, Y))
    assert "val_agreement" not in plain and "val_accuracy" in plain


def test_other_data_is_refused_and_leaves_the_model(cached):
    student = build(4, 1)
    before = student.get_weights()
    with pytest.raises(ValueError, match=r"carry nothing.*`cached.dataset\(x, y\)`"):
        student.fit(X, Y, verbose=0, callbacks=[Distillation(cached)])
    for a, b in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not cached.attending
    assert set(fit(student, Plain(cached.dataset(X, Y)))) == {"accuracy", "loss"}


def test_weights_of_samples_and_classes(cached):
    weights = {0: 2.0, 1: 0.0, 2: 1.0, 3: 0.5}
    by_class = cached.dataset(X, Y, batch_size=8, class_weight=weights)
    by_sample = cached.dataset(
        X, Y, batch_size=8, sample_weight=np.array([weights[label] for label in Y])
    )
    found, expected = (
        fit(build(4, 1), data, Distillation(cached)) for data in (by_class, by_sample)
    )
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    assert (
        found["loss"]
        != fit(build(4, 1), cached.dataset(X, Y, batch_size=8), Distillation(cached))["loss"]
    )


def test_with_other_techniques(cached):
    student, data = build(4, 1), cached.dataset(X, Y, batch_size=8)
    callbacks = [
        ko.callbacks.Pruning(0.5),
        Distillation(cached),
        ko.callbacks.QuantizationAware("int8"),
    ]
    history = fit(student, data, *callbacks)
    assert np.isfinite(history["distillation_loss"]).all()
    assert ko.finalize(student).layers[1].kernel.numpy().size == 12


def test_features_that_the_cache_does_not_contain(cached):
    features = ko.distillation.Features("hint", [("hidden", "hidden")])
    with pytest.raises(ValueError, match="does not contain the tap 'hidden'.*`taps="):
        fit(build(4, 1), cached.dataset(X, Y), Distillation(cached, features=features))
