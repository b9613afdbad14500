"""Which weights are pruned: what does not train stays, and rules name single weights."""

import keras
import numpy as np
import pytest
from callbacks.test_pruning import fit, make, zeros
from techniques.properties import read
from techniques.refusals import refused

import kerasopt as ko


def teacher_and_student():
    """A wrapper, as those of distillation are: what it trains is a part of it."""

    class Both(keras.Model):
        def __init__(self):
            super().__init__()
            self.student, self.teacher = make(), make()
            self.teacher.trainable = False

        def call(self, x):
            return self.student(x) + 0.0 * self.teacher(x)

    model = Both()
    model(np.zeros((1, 6), "float32"))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    "callback", [ko.callbacks.Pruning(0.5), ko.callbacks.QuantizationAware("int8")]
)
def test_what_does_not_train_is_left_alone_unless_a_rule_names_it(callback):
    model, data = teacher_and_student(), np.random.default_rng(0).normal(size=(8, 6))
    before = model.teacher.predict(data, verbose=0)
    with pytest.warns(UserWarning, match=r"Frozen layers.*Received: [24] such layers, \['teacher/"):
        model.fit(data, np.ones((8, 4)), verbose=0, callbacks=[callback])
    np.testing.assert_array_equal(model.teacher.predict(data, verbose=0), before)
    assert model.student.layers[0].parametrizations
    assert not hasattr(model.teacher.layers[0], "parametrizations")


def test_a_rule_reaches_what_does_not_train(recwarn):
    model = make()
    model.layers[0].trainable = False
    fit(model, ko.callbacks.Pruning(0.5, rules=[("*", 0.25)]))
    assert set(zeros(model).values()) == {0.25}
    assert not [each for each in recwarn if "Frozen layers" in str(each.message)]


def test_a_base_that_is_frozen_first_is_pruned_when_it_trains():
    def fit_again(**zeros_of):
        model.compile("adam", "mse")
        fit(model, ko.callbacks.Pruning(0.5))
        layers = [(path, each) for path, each in ko.graph.layers(model) if path in zeros_of]
        assert {path: (read(each, "kernel") == 0).mean() for path, each in layers} == zeros_of

    model = make("nested")
    model.get_layer("inner").trainable = False
    with pytest.warns(UserWarning, match="Frozen layers"):
        fit_again(**{"dense": 0.5, "inner/dense": 0.0, "head/dense": 0.5})
    model.get_layer("inner").trainable = True
    fit_again(**{"dense": 0.5, "inner/dense": 0.5, "head/dense": 0.5})


def test_a_frozen_model_is_refused_by_its_name_and_pruned_where_rules_say_so():
    model = make()
    model.trainable = False
    model.compile("adam", "mse")
    with refused(model, "all of its layers with kernels are frozen"):
        fit(model, ko.callbacks.Pruning(0.5))
    with pytest.warns(UserWarning, match="has made no update, so the schedule of"):
        fit(model, ko.callbacks.Pruning(0.5, rules=[("*", 0.5)]))
    assert set(zeros(model).values()) == {0.5}


def test_rules_name_biases_and_single_kernels(tmp_path):
    model = make("recurrent")
    for layer in model._flatten_layers():
        if getattr(layer, "bias", None) is not None:
            layer.bias.assign(np.random.default_rng(0).normal(size=layer.bias.shape))
    rules = [("lstm/cell/recurrent_kernel", None), ("lstm/cell/bias", 0.25)]
    fit(model, ko.callbacks.Pruning(0.5, rules=rules))
    cell = model.get_layer("lstm").cell
    assert [float((read(cell, name) == 0).mean()) for name in ("kernel", "recurrent_kernel")] == [
        0.5,
        0.0,
    ]
    assert (read(cell, "bias") == 0).mean() == 0.25
    model.save(tmp_path / "model.keras")
    plain = ko.finalize(keras.models.load_model(tmp_path / "model.keras"))
    assert (plain.get_layer("lstm").cell.bias.numpy() == 0).mean() == 0.25


@pytest.mark.parametrize(
    ("pattern", "rule", "message"),
    [
        ("2:4", "dense/bias", "does not fit 'dense/bias'"),
        ("head", "attention/query_dense/kernel", "a rule must name the layer"),
    ],
)
def test_a_weight_that_the_pattern_does_not_fit_is_refused(pattern, rule, message):
    inputs = keras.Input((4, 8))
    x = keras.layers.MultiHeadAttention(2, 4, name="attention")(inputs, inputs)
    model = keras.Model(inputs, keras.layers.Dense(8, name="dense")(x))
    model.compile("adam", "mse")
    rule = rule.replace("query", "_query")
    with refused(model, message):
        model.fit(
            np.ones((4, 4, 8)),
            np.ones((4, 4, 8)),
            verbose=0,
            callbacks=[ko.callbacks.Pruning(0.5, pattern=pattern, rules=[(rule, 0.5)])],
        )
