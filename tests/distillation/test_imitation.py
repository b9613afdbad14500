"""The loss of outputs with several positions, in `fit`."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import distillation
from kerasopt.distillation.teacher_weights import confidence_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 7, 3)).astype("float32")
Y = RNG.integers(0, 4, size=(16, 7))
OF_SAMPLES, OF_POSITIONS = RNG.uniform(size=16), RNG.uniform(size=(16, 7))


def build(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((7, 3)), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss)
    return model


def distilled(teacher, weights=None, **options):
    student = build(0)
    callback = ko.callbacks.Distillation(teacher, alpha=1.0, **options)
    fit = {"sample_weight": weights, "batch_size": 16, "verbose": 0, "callbacks": [callback]}
    return student.fit(X, Y, **fit).history["distillation_loss"][0]


@pytest.mark.parametrize("weights", [None, OF_POSITIONS], ids=["none", "of positions"])
@pytest.mark.parametrize("alias", ["kl_divergence", "decoupled", "dist", "logits_mse"])
def test_each_position_counts(alias, weights):
    teacher = build(1)
    taught, given = (model.predict(X, verbose=0) for model in (teacher, build(0)))
    loss = distillation.get(alias)()
    expected = loss((taught, Y) if alias == "decoupled" else taught, given, weights)
    assert distilled(teacher, weights, loss=alias) == pytest.approx(float(expected), rel=1e-4)


def test_weights_of_samples_are_those_of_their_positions():
    every = np.repeat(OF_SAMPLES[:, None], 7, axis=1)
    column = OF_SAMPLES[:, None]
    assert distilled(build(1), column) == pytest.approx(distilled(build(1), every), rel=1e-5)


def test_confident_teachers_have_one_weight_for_all_positions():
    teachers = [build(1), build(2)]
    given = build(0).predict(X, verbose=0)
    outputs = [teacher.predict(X, verbose=0) for teacher in teachers]
    losses = [distillation.KLDivergence(reduction=None)] * 2
    weights = confidence_weights(outputs, Y, losses)
    expected = sum(
        np.mean(np.array(losses[0](taught, given)) * np.array(weight)[:, None])
        for taught, weight in zip(outputs, weights, strict=True)
    )
    assert distilled(teachers, teacher_weights="confidence") == pytest.approx(expected, rel=1e-4)


def test_teachers_are_weighed_for_each_output_by_its_own_labels():
    inputs = keras.Input((7, 3))
    heads = {name: keras.layers.Dense(4, name=name, use_bias=False) for name in ("a", "b")}
    student, first, second = (
        keras.Model(inputs, {name: each(inputs) for name, each in copied(heads, seed).items()})
        for seed in range(3)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    student.compile(keras.optimizers.SGD(0.0), {"a": loss, "b": loss})
    y = {"a": first.predict(X, verbose=0)["a"].argmax(-1)}
    y["b"] = second.predict(X, verbose=0)["b"].argmax(-1)
    for teacher in (first, second):
        for variable in teacher.weights:
            variable.assign(variable * 100)  # as sure as can be, one of each output
    callback = ko.callbacks.Distillation(
        [first, second], alpha=1.0, temperature=1.0, teacher_weights="confidence"
    )
    found = student.fit(X, y, batch_size=16, verbose=0, callbacks=[callback]).history
    given = student.predict(X, verbose=0)
    kl = distillation.KLDivergence(1.0)
    expected = float(kl(first.predict(X, verbose=0)["a"], given["a"]))
    expected += float(kl(second.predict(X, verbose=0)["b"], given["b"]))
    assert found["distillation_loss"][0] == pytest.approx(expected, rel=1e-3)


def copied(layers, seed):
    keras.utils.set_random_seed(seed)
    return {name: type(each).from_config(each.get_config()) for name, each in layers.items()}


def test_a_loss_of_the_users_own_may_read_labels():
    class Wrong(keras.losses.Loss):
        uses_labels = True

        def call(self, y_true, y_pred):
            _, labels = y_true
            wrong = keras.ops.cast(keras.ops.argmax(y_pred, -1), "float32") != labels
            return keras.ops.cast(wrong, "float32") + 0 * y_pred[..., 0]

    given = build(0).predict(X, verbose=0)
    expected = np.mean(given.argmax(-1) != Y)
    assert distilled(build(1), loss=Wrong()) == pytest.approx(expected)
