"""Distillation of features: pairs, projections, and what remains of them."""

import warnings

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.callbacks.distillation import Distillation
from kerasopt.distillation import Features
from kerasopt.training.model_state import ModelState

RNG = np.random.default_rng(0)
X = RNG.random((32, 8, 8, 3), "float32")
Y = RNG.integers(0, 4, 32)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
PAIRS = [("middle", "middle"), ("last", "last")]


def cnn(width, seed, first=False, **options):
    keras.utils.set_random_seed(seed)
    data_format = "channels_first" if first else "channels_last"
    conv = {"padding": "same", "data_format": data_format, "activation": "relu"}
    inputs = keras.Input((3, 8, 8) if first else (8, 8, 3))
    x = keras.layers.Conv2D(width, 3, name="stem", **conv)(inputs)
    x = keras.layers.Conv2D(2 * width, 3, strides=2, name="middle", **conv)(x)
    x = keras.layers.Conv2D(2 * width, 3, strides=2, name="last", **conv)(x)
    x = keras.layers.GlobalAveragePooling2D(data_format=data_format)(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(x), name=f"cnn_{width}")
    model.compile(keras.optimizers.Adam(1e-2), LOGITS, **options)
    return model


class Subclassed(keras.Model):
    def __init__(self, width, seed):
        super().__init__()
        keras.utils.set_random_seed(seed)
        self.inner = cnn(width, seed)
        self.head = keras.layers.Dense(4)

    def call(self, x):
        return self.head(self.inner(x))


def fit(model, *callbacks, x=X, y=Y, **options):
    options = {"batch_size": 8, "verbose": 0, "shuffle": False, **options}
    return model.fit(x, y, callbacks=[*callbacks], **options).history


@pytest.mark.parametrize("pairs", [PAIRS[:1], PAIRS])
def test_the_loss_is_that_of_the_tensors(pairs):
    teacher, student = cnn(4, 0), cnn(4, 1)
    student.optimizer.learning_rate = 0.0

    def computed(model, name):
        return keras.Model(model.input, model.get_layer(name).output).predict(X, verbose=0)

    gaps = [computed(teacher, name) - computed(student, name) for name, _ in pairs]
    history = fit(student, Distillation(teacher, features=Features("hint", pairs, weight=3.0)))
    expected = np.mean([np.square(gap).mean() for gap in gaps])
    np.testing.assert_allclose(history["hint_loss"], [expected], rtol=1e-4)
    parts = 0.3 * history["hard_loss"][0] + 0.7 * history["distillation_loss"][0] + 3 * expected
    np.testing.assert_allclose(history["loss"], [parts], rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}, {"steps_per_execution": 2}])
def test_projections_are_trained_and_gone(options, tmp_path):
    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.values = [v.numpy() for v in ModelState.trained(self.model)]
            self.counts.append(self.model.count_params())
            self.model.save(tmp_path / f"{epoch}.keras")

    teacher, student, look = cnn(8, 0), cnn(4, 1, **options), Look()
    look.counts, seen = [student.count_params()], []
    variables = len(student.variables)
    look.on_epoch_begin = lambda epoch, logs=None: seen.append(
        [v.numpy() for v in ModelState.trained(look.model)]
    )
    distillation = Distillation(teacher, features=Features("hint", PAIRS))
    history = fit(student, look, distillation, epochs=2)
    assert history["hint_loss"][1] < history["hint_loss"][0]
    assert [each.shape for each in look.values] == [(8, 16), (16,)] * 2
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(seen[0], look.values, strict=True))
    assert len(set(look.counts)) == 1 and len(student.variables) == variables
    assert len(student.optimizer.variables) == 2 + 2 * len(student.trainable_variables)
    assert not ModelState.trained(student)
    with warnings.catch_warnings():  # of an optimizer with more variables
        warnings.simplefilter("error")
        loaded = keras.saving.load_model(tmp_path / "1.keras")
    np.testing.assert_allclose(
        loaded.predict(X, verbose=0), student.predict(X, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_an_optimizer_that_has_trained_keeps_its_state():
    teacher, student = cnn(8, 0), cnn(4, 1)
    fit(student)
    momentum = {v.path: v.numpy() for v in student.optimizer.variables}
    seen = {}

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.update({v.path: v.numpy() for v in self.model.optimizer.variables})

    fit(student, Look(), Distillation(teacher, features=Features("hint", PAIRS)), x=X[:8], y=Y[:8])
    assert len(seen) > len(momentum)
    for name, value in momentum.items():
        np.testing.assert_array_equal(seen[name], value)
    assert {v.path for v in student.optimizer.variables} == set(momentum)
    assert int(student.optimizer.iterations.numpy()) == 5


OPTIMIZERS = {
    "accumulation": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2),
    "average": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5),
    "factored": lambda: keras.optimizers.Adafactor(1e-2),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_any_optimizer(name):
    student = cnn(4, 1)
    student.compile(OPTIMIZERS[name](), LOGITS)
    features = Features("hint", PAIRS)
    history = fit(student, Distillation(cnn(8, 0), features=features), epochs=4)
    assert history["hint_loss"][-1] < history["hint_loss"][0]
    shapes = [variable.shape for variable in student.optimizer.variables]
    assert (8, 16) not in shapes  # that of a projection
    assert np.isfinite(student.predict(X, verbose=0)).all()


@pytest.mark.parametrize("stop", [0, 1])
def test_a_training_that_was_killed_resumes_exactly(stop, tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == stop:
                raise KeyboardInterrupt

    def train(folder, *more):
        student = cnn(4, 1)
        features = Features("hint", PAIRS, weight=ko.schedules.Linear(2.0, 0.0))
        temperature = ko.schedules.Linear(8.0, 1.0)
        distillation = Distillation(cnn(8, 0), temperature=temperature, features=features)
        keras.utils.set_random_seed(3)
        backup = ko.callbacks.BackupAndRestore(tmp_path / folder)
        fit(student, backup, distillation, *more, epochs=3)
        return student.get_weights()

    expected = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("killed", Killed())
    for a, b in zip(train("killed"), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scheduled_numbers_follow_the_clock():
    teacher, student = cnn(4, 0), cnn(4, 1)
    student.optimizer.learning_rate = 0.0
    alpha = ko.schedules.OneShot(1.0, begin="50%")
    features = Features("hint", PAIRS, weight=ko.schedules.Linear(0.0, 4.0, end=8, frequency=4))
    history = fit(student, Distillation(teacher, alpha=alpha, features=features), epochs=4)
    hard, soft, hint = (history[f"{name}_loss"][0] for name in ("hard", "distillation", "hint"))
    expected = [hard, hard + 2 * hint, soft + 4 * hint, soft + 4 * hint]
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-4)


def test_pairs_of_equal_size_are_found_and_said(capsys):
    fit(cnn(4, 1), Distillation(cnn(8, 0), features="hint"))
    said = capsys.readouterr().out
    for name in ("stem", "middle", "last"):
        assert f"Distillation compares '{name}' with '{name}'." in said


@pytest.mark.parametrize("make", [Subclassed, lambda width, seed: cnn(width, seed)])
def test_subclassed_and_nested(make):
    teacher, student = make(8, 0), make(4, 1)
    for model in (teacher, student):
        model(X)
        model.compile("adam", LOGITS)
    prefix = "inner/" if make is Subclassed else ""
    pairs = [(prefix + "last", prefix + "middle"), (prefix + "middle", prefix + "middle")]
    history = fit(student, Distillation(teacher, features=Features("hint", pairs)), epochs=3)
    assert history["hint_loss"][-1] < history["hint_loss"][0]


def test_channels_first_beside_channels_last():
    inputs = keras.Input((3, 8, 8))
    outputs = cnn(8, 0)(keras.ops.transpose(inputs, (0, 2, 3, 1)))
    teacher = keras.Model(inputs, outputs)
    features = Features("hint", [("middle", "*/middle")])
    # On a CPU TensorFlow cannot train convolutions with channels first.
    student = cnn(4, 1, first=True)
    student.trainable = keras.config.backend() != "tensorflow"
    student.compile("sgd", LOGITS)
    history = fit(student, Distillation(teacher, features=features), x=X.transpose(0, 3, 1, 2))
    assert np.isfinite(history["hint_loss"]).all()


def test_mixed_precision_and_other_techniques():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        student = cnn(4, 1)
    finally:
        keras.config.set_dtype_policy("float32")
    history = fit(
        student,
        ko.callbacks.Pruning(0.5),
        Distillation(cnn(8, 0), features=Features("hint", PAIRS)),
        ko.callbacks.QuantizationAware("int8"),
        epochs=2,
    )
    assert history["hint_loss"][1] < history["hint_loss"][0]
    ko.finalize(student)
    assert not [name for name in vars(student) if "projection" in name]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"taps": [("middle", "nothing")]}, "matches no layer of model 'cnn_8'"),
        ({"taps": [("*", "middle")]}, "of model 'cnn_4'"),
        ({"taps": []}, "list of pairs"),
        ({"taps": ["middle"]}, "list of pairs"),
        ({"taps": None}, "list of pairs"),
        ({"loss": "nonsense"}, "Received: features='nonsense'"),
        ({"loss": keras.losses.MeanSquaredError()}, "pass 'hint'"),
        ({"weight": -1.0}, "Received: weight=-1.0"),
    ],
)
def test_bad_features(features, message):
    student = cnn(4, 1)
    before = [len(student.variables), *map(np.copy, student.get_weights())]
    with pytest.raises(ValueError, match=message):
        given = Features(**{"loss": "hint", "taps": PAIRS, **features})
        fit(student, Distillation(cnn(8, 0), features=given))
    after = [len(student.variables), *student.get_weights()]
    for a, b in zip(after, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(fit(student)) == {"loss"}


@pytest.mark.parametrize("again", [False, True])
def test_the_training_after_an_interrupted_one_has_no_projections_left(again):
    class Interrupted(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    def distillation():
        return Distillation(cnn(8, 0), features=Features("hint", PAIRS))

    student, plain = cnn(4, 1), cnn(4, 1)
    fit(plain)
    with pytest.raises(KeyboardInterrupt):
        fit(student, distillation(), Interrupted())
    fit(student, *[distillation()] * again)
    assert not ModelState.trained(student)
    assert len(student.optimizer.variables) == len(plain.optimizer.variables)
    assert set(fit(student)) == {"loss"}


def test_nan_in_features_is_not_learned_and_raises():
    inputs, student = keras.Input((8, 8, 3)), cnn(4, 1)
    teacher = cnn(8, 0)
    largest = keras.ops.max(inputs, axis=(1, 2, 3), keepdims=True)
    middle = teacher.get_layer("middle").output
    damaged = keras.Model(teacher.input, middle)(inputs) + keras.ops.where(
        largest > 1.0, float("nan"), 0.0
    )
    outputs = keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(damaged))
    teacher = keras.Model(inputs, outputs)
    teacher.compile(loss=LOGITS)
    x = X.copy()
    x[9] = 2.0
    features = Features("hint", [("middle", "add*")])
    with pytest.raises(ValueError, match="for 1 samples"):
        fit(student, Distillation(teacher, features=features), x=x)
    assert all(np.isfinite(each).all() for each in student.get_weights())
