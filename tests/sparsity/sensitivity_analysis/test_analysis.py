import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.sparsity import Sensitivity, attach_masks, sensitivity, update_masks

LEVELS = (0.3, 0.6, 0.9)


@keras.saving.register_keras_serializable(package="tests")
class Traced(keras.layers.Layer):
    """Counts how often Python passes, which is once a trace; a recording is none."""

    traces = 0

    def call(self, inputs):
        type(self).traces += not isinstance(inputs, keras.KerasTensor)
        return inputs


def make_data(examples=96):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(examples, 8, 8, 2)).astype("float32")
    return x, (x[:, :4].mean((1, 2, 3)) > x[:, 4:].mean((1, 2, 3))).astype("int64")


def make_model(metrics=("accuracy",)):
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((8, 8, 2)),
        keras.layers.Conv2D(6, 3, activation="relu", name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        Traced(),
        keras.layers.Flatten(),
        keras.layers.Dense(12, activation="relu", name="hidden"),
        keras.layers.Dense(2, name="top"),
    ]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=list(metrics))
    return model


@pytest.fixture(scope="module")
def trained():
    model = make_model()
    model.fit(*make_data(), epochs=8, verbose=0)
    return model.get_weights()


@pytest.fixture
def model(trained):
    model = make_model()
    model.set_weights(trained)
    return model


def measure(model, data=None, levels=LEVELS, **options):
    return sensitivity(model, data or make_data(), levels, verbose=0, **options)


def loss_of(model):
    return model.evaluate(*make_data(), verbose=0, return_dict=True)["loss"]


def test_each_score_is_that_of_the_model_with_this_layer_pruned(model, trained):
    curves = measure(model, metric="loss")
    assert list(curves.scores) == ["conv", "hidden", "top"] and curves.levels == LEVELS
    assert curves.baseline == pytest.approx(loss_of(model))
    for path, scores in curves.scores.items():
        pruned = make_model()
        pruned.set_weights(trained)
        targets = attach_masks(pruned, rules=[(path, True), ("*", False)])
        for level, score in zip(LEVELS, scores, strict=True):
            update_masks(targets, level)
            assert score == pytest.approx(loss_of(pruned), rel=1e-5)
    assert curves.sizes == {"conv": 108, "hidden": 2592, "top": 24}


class State:
    """All of a model that must not change."""

    def __init__(self, model):
        self.model = model
        self.classes = [type(layer) for layer in model._flatten_layers()]
        self.variables = list(model.variables)
        self.values = [np.array(variable) for variable in self.variables]
        self.functions = self.present_functions

    @property
    def present_functions(self):
        model = self.model
        return model.train_function, model.test_function, model.predict_function

    def check(self):
        assert [type(layer) for layer in self.model._flatten_layers()] == self.classes
        assert all(a is b for a, b in zip(self.model.variables, self.variables, strict=True))
        for variable, value in zip(self.variables, self.values, strict=True):
            np.testing.assert_array_equal(np.array(variable), value)
        assert self.present_functions == self.functions


@pytest.mark.parametrize("masked, pattern", [(False, "element"), (True, "filter")])
def test_the_model_is_put_back(model, masked, pattern):
    if masked:
        update_masks(attach_masks(model, pattern), 0.5)
    x, y = make_data()
    model.fit(x, y, verbose=0)
    model.evaluate(x, y, verbose=0), model.predict(x, verbose=0)
    state, traces = State(model), Traced.traces
    measure(model, pattern=pattern)
    state.check()
    # The model's functions are those that it had traced, and fit the layers.
    measured = Traced.traces
    assert measured - traces <= 2
    before = loss_of(model)
    model.fit(x, y, verbose=0), model.predict(x, verbose=0)
    assert Traced.traces == measured and loss_of(model) != before


class Interrupting:
    """A criterion that is interrupted at the third weight."""

    def __init__(self, error):
        self.error, self.calls = error, 0

    def __call__(self, weight):
        self.calls += 1
        if self.calls == 3:
            raise self.error("stop")
        return np.abs(weight)


@pytest.mark.parametrize("masked, error", [(False, ValueError), (True, KeyboardInterrupt)])
def test_the_model_is_put_back_after_an_error(model, masked, error):
    if masked:
        update_masks(attach_masks(model), 0.2)
    before, state = loss_of(model), State(model)
    with pytest.raises(error, match="stop"):
        measure(model, criterion=Interrupting(error))
    state.check()
    assert loss_of(model) == before


def test_the_evaluation_is_traced_once(model):
    evaluations = []
    evaluate = model.evaluate
    model.evaluate = lambda *args, **kwargs: evaluations.append(1) or evaluate(*args, **kwargs)
    traces = Traced.traces
    measure(model)
    assert len(evaluations) == 1 + 3 * len(LEVELS)
    assert Traced.traces - traces <= 2  # Keras' symbolic build, and the function


def test_what_is_pruned_already_is_not_evaluated_again(model):
    targets = attach_masks(model, rules=[("conv", True), ("*", False)])
    update_masks(targets, 0.6)
    curves = measure(model, metric="loss", levels=(0.0, 0.3, 0.6, 0.9))
    assert curves.scores["conv"][:3] == [curves.baseline] * 3
    assert curves.scores["conv"][3] != curves.baseline
    assert curves.scores["top"][0] == curves.baseline != curves.scores["top"][1]
    assert float(np.mean(targets[0].members[0].mask)) == pytest.approx(0.4, abs=0.01)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return tuple(array[32 * index :][:32] for array in make_data())


def test_data_is_what_keras_evaluates(model):
    import tensorflow as tf

    expected = measure(model, metric="loss", levels=[0.5]).scores
    dataset = tf.data.Dataset.from_tensor_slices(make_data()).batch(32)
    for data in (dataset, Batches()):
        assert measure(model, data, metric="loss", levels=[0.5]).scores == expected
    weighted = measure(model, (*make_data(), np.full(96, 2.0)), metric="loss", levels=[0.5])
    assert weighted.baseline == pytest.approx(2 * loss_of(model), rel=1e-5)


def test_patterns_and_rules_choose_what_is_pruned(model):
    curves = measure(model, levels=None, pattern="2:4", rules=[("top", 0.0)])
    assert curves.levels == (0.5,) and list(curves.scores) == ["conv", "hidden"]
    assert curves.skipped == ("top",)
    assert curves.suggest(budget=1.0) == [("top", None), ("conv", 0.5), ("hidden", 0.5)]


def test_a_subclassed_model_is_measured_and_put_back():
    class Recurrent(keras.Model):
        def __init__(self):
            super().__init__()
            self.lstm = keras.layers.LSTM(4)
            self.head = keras.layers.Dense(1)

        def call(self, inputs):
            return self.head(self.lstm(inputs))

    model = Recurrent()
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(32, 5, 3)).astype("float32")
    model.evaluate(x, x[:, 0, :1], verbose=0)
    state = State(model)
    curves = measure(model, (x, x[:, 0, :1]))
    state.check()
    assert (curves.metric, curves.mode) == ("loss", "min")
    assert curves.sizes == {"lstm/cell": 3 * 16 + 4 * 16, "head": 4}


def test_the_suggestion_is_rules_of_pruning():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, name="a")], name="inner")
    outer = [keras.Input((6,)), keras.layers.Dense(6, name="a"), inner, keras.layers.Dense(2)]
    model = keras.Sequential([*outer, keras.layers.Dense(1, name="last")])
    model.compile("sgd", "mse")
    x = np.ones((4, 6), "float32")
    curves = measure(model, (x, x[:, :1]), rules=[("last", None)], levels=[0.25, 0.5])
    levels = {"a": [0.4, 0.5], "inner/a": [0.4, 0.4], model.layers[2].name: [0.5, 0.5]}
    curves = Sensitivity("loss", "min", 0.4, (0.25, 0.5), levels, curves.sizes, curves.skipped)
    pruning = ko.callbacks.Pruning(0.9, rules=curves.suggest(budget=0.01))
    model.fit(x, x[:, :1], verbose=0, callbacks=[pruning])
    zeros = {
        layer.path: float(np.mean(np.array(layer.kernel) == 0))
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dense)
    }
    assert list(zeros.values()) == [0.25, 0.5, 0.0, 0.0]


def test_the_progress_bar_counts_every_point(model, capsys):
    sensitivity(model, make_data(), [0.0, 0.5], verbose=1)
    assert "7/7" in capsys.readouterr().out
    measure(model, levels=[0.5])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options, message",
    [
        ({"levels": [0.5, 1.0]}, r"fractions of zeros.*levels=\(0.5, 1.0\)"),
        ({"levels": []}, r"one or more.*Received: levels=\(\)"),
        ({"levels": [0.9], "pattern": "2:4"}, "ends at the sparsity 1 - N/M = 0.5"),
        ({"metric": "f1"}, r"compiled with: \['accuracy', 'loss'\]. Received: metric='f1'"),
        ({"mode": "up"}, "Received: mode='up'"),
        ({"criterion": "saliency"}, "gathered in training.*criterion='saliency'"),
        ({"criterion": "wanda"}, "gathered in training.*criterion='wanda'"),
        ({"rules": [("*", None)]}, "exclude all layers"),
        ({"data": iter([make_data()])}, "can be read only once"),
    ],
)
def test_bad_arguments_are_refused(model, options, message):
    state = State(model)
    with pytest.raises(ValueError, match=message):
        measure(model, **options)
    state.check()


def test_data_must_be_there_and_end(model):
    import tensorflow as tf

    with pytest.raises(ValueError, match="Received: data=None"):
        sensitivity(model, None)
    endless = tf.data.Dataset.from_tensors(make_data()).repeat()
    with pytest.raises(ValueError, match="must be finite"):
        sensitivity(model, endless)


def test_the_model_must_be_ready():
    built = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="Compile model.*Received: compiled=False"):
        measure(built)
    compiled = keras.Sequential([keras.layers.Dense(2)])
    compiled.compile("sgd", "mse")
    with pytest.raises(ValueError, match="is not built"):
        measure(compiled)


def test_the_model_is_left_as_it_was():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    y = x @ np.ones((6, 1), "float32")
    model.fit(x, y, verbose=0)
    before = model.evaluate(x, y, verbose=0)
    weights, function = model.get_weights(), model.test_function

    def check():
        assert model.test_function is function
        for a, b in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
        assert model.evaluate(x, y, verbose=0) == before

    def interrupted(inputs, training=None):
        raise KeyboardInterrupt

    model.layers[0].call = interrupted  # while the step is traced, when JAX holds the variables
    with pytest.raises(KeyboardInterrupt):
        sensitivity(model, (x, y), [0.5], verbose=0)
    del model.layers[0].call
    check()

    curves = sensitivity(model, (x, y), [0.5, 0.9], verbose=0)
    check()
    assert curves.baseline == pytest.approx(before, rel=1e-5)
    for layer, scores in zip(model.layers, curves.scores.values(), strict=True):
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        kept = kernel * (np.abs(kernel) > np.sort(np.abs(kernel), None)[kernel.size // 2 - 1])
        layer.kernel.assign(kept)
        assert model.evaluate(x, y, verbose=0) == pytest.approx(scores[0], rel=1e-5)
        layer.kernel.assign(kernel)
