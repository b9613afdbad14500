"""Losses that are given by their alias, in `fit`."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import distillation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype("float32")
CLASSES = np.arange(16) % 4
DECISIONS = RNG.integers(0, 2, size=(16, 4))
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
DECIDING = keras.losses.BinaryCrossentropy(from_logits=True)


def build(seed, units=4, activation=None, loss=None):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation)])
    model.compile(keras.optimizers.SGD(0.0), loss)
    return model


def distilled(student, teacher, y, loss, **options):
    callback = ko.callbacks.Distillation(teacher, loss=loss, **options)
    history = student.fit(X, y, batch_size=16, verbose=0, callbacks=[callback]).history
    return history["distillation_loss"][0]


@pytest.mark.parametrize("alias", ["kl_divergence", "decoupled", "dist", "logits_mse"])
def test_losses_of_classes_find_out_what_outputs_are(alias):
    make = distillation.get(alias)
    for activation, from_logits in ((None, True), ("softmax", False)):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        teacher, student = (build(seed, activation=activation, loss=loss) for seed in (1, 2))
        expected = make(from_logits=from_logits)
        y_true = teacher.predict(X, verbose=0)
        assert distilled(student, teacher, y_true.argmax(-1), alias) == pytest.approx(
            float(expected(y_true, student.predict(X, verbose=0))), rel=1e-3
        )


@pytest.mark.parametrize("units", [1, 4])
@pytest.mark.parametrize("told", ["student", "teacher"])
def test_decisions(units, told):
    for activation, from_logits in ((None, True), ("sigmoid", False)):
        loss = keras.losses.BinaryCrossentropy(from_logits=from_logits)
        teacher = build(1, units, activation, loss if told == "teacher" else None)
        student = build(2, units, activation, loss if told == "student" else None)
        options = {} if told == "student" else {"alpha": 1.0}
        make = distillation.BinaryKLDivergence(2.0, from_logits=from_logits)
        expected = make(teacher.predict(X, verbose=0), student.predict(X, verbose=0))
        y = DECISIONS[:, :units]
        found = distilled(student, teacher, y, "binary", temperature=2.0, **options)
        assert found == pytest.approx(float(expected), rel=1e-3)


def test_outputs_may_differ_in_what_they_are():
    teacher = build(1, activation="sigmoid", loss="binary_crossentropy")
    student = build(2, loss=DECIDING)
    loss = distillation.BinaryKLDivergence(teacher_from_logits=False)
    expected = loss(teacher.predict(X, verbose=0), student.predict(X, verbose=0))
    found = distilled(student, teacher, DECISIONS, "binary")
    assert found == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.parametrize(
    ("loss", "alias", "message"),
    [
        (LOGITS, "binary", "has logits of classes.*such as 'kl_divergence'"),
        ("mse", "binary", "has values without classes.*such as 'mse'"),
        ("mse", "dist", "has values without classes.*'dist' compares.*pass a `DIST`"),
        (DECIDING, "decoupled", "has decisions.*'decoupled' compares.*such as 'binary'"),
        ("hinge", "binary", "may be logits or probabilities.*Pass `from_logits`"),
    ],
)
def test_losses_that_do_not_suit(loss, alias, message):
    y = CLASSES if loss is LOGITS else DECISIONS
    with pytest.raises(ValueError, match=f"{message}.*Received: loss='{alias}'"):
        distilled(build(2, loss=loss), build(1), y, alias)


def test_a_temperature_for_a_loss_without_one():
    with pytest.raises(ValueError, match=r"does not apply to 'logits_mse'.*temperature=2.0"):
        distilled(build(2, loss=LOGITS), build(1), CLASSES, "logits_mse", temperature=2.0)


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_regression_needs_no_loss_of_its_own(loss):
    student, teacher = build(2, loss="mse"), build(1)
    expected = keras.losses.get(loss)
    pair = (model.predict(X, verbose=0) for model in (teacher, student))
    found = distilled(student, teacher, DECISIONS, loss)
    assert found == pytest.approx(float(np.mean(expected(*pair))), rel=1e-4)


ALIASES = ["kl_divergence", "decoupled", "dist", "logits_mse", "binary"]
WAYS = [{"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 2}]


def trained(alias, policy="float32", **options):
    keras.config.set_dtype_policy(policy)
    try:
        teacher, student = build(1), build(2)
    finally:
        keras.config.set_dtype_policy("float32")
    loss, y = (DECIDING, DECISIONS) if alias == "binary" else (LOGITS, CLASSES)
    student.compile(keras.optimizers.SGD(0.1), loss, **options)
    callback = ko.callbacks.Distillation(teacher, loss=alias)
    fit = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, "callbacks": [callback]}
    losses = student.fit(X, y, **fit).history["distillation_loss"]
    assert np.isfinite(losses).all()
    return student.get_weights()[0]


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("alias", ALIASES)
def test_ways_to_run_the_step_agree(alias, way):
    expected = trained(alias, jit_compile=False)
    np.testing.assert_allclose(trained(alias, **{"jit_compile": False, **way}), expected, rtol=1e-3)


@pytest.mark.parametrize("alias", ALIASES)
def test_half_precision_trains_alike(alias):
    found = trained(alias, "mixed_bfloat16", jit_compile=False)  # without scaled losses
    np.testing.assert_allclose(found, trained(alias, jit_compile=False), atol=0.02)


@pytest.mark.parametrize("alias", ["kl_divergence", "decoupled", "dist", "binary"])
def test_the_step_reads_a_temperature_that_moves(alias):
    make, is_binary = distillation.get(alias), alias == "binary"
    schedule = ko.schedules.PolynomialDecay(8.0, 2.0, power=1, begin=0, end=3, frequency=1)
    teacher, student = build(1), build(2, loss=DECIDING if is_binary else LOGITS)
    callback = ko.callbacks.Distillation(teacher, loss=make(temperature=schedule))
    pair = teacher.predict(X, verbose=0), student.predict(X, verbose=0)
    y = DECISIONS if is_binary else pair[0].argmax(-1)
    fit = {"batch_size": 16, "epochs": 4, "verbose": 0, "callbacks": [callback]}
    found = student.fit(X, y, **fit).history["distillation_loss"]
    expected = [float(make(temperature=t)(*pair)) for t in (8.0, 6.0, 4.0, 2.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-3)
