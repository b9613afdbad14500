"""Distillation of models with several outputs, without targets, and with other teachers."""

import keras
import numpy as np
import pytest

from kerasopt import distillation
from kerasopt.callbacks.distillation import Distillation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype("float32")
Y = {"cls": np.arange(16) % 4, "box": RNG.normal(size=(16, 2)).astype("float32")}
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LOSSES = {"cls": LOGITS, "box": "mse"}
EAGER = keras.config.backend() == "tensorflow"


def build(seed=0, form=dict, **outputs):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((3,), name="image")
    units = outputs or {"cls": 4, "box": 2}
    heads = {name: keras.layers.Dense(n, name=name)(inputs) for name, n in units.items()}
    return keras.Model(inputs, heads if form is dict else [*heads.values()])


class Subclassed(keras.Model):
    def __init__(self, seed=0):
        super().__init__()
        keras.utils.set_random_seed(seed)
        self.cls, self.box = keras.layers.Dense(4), keras.layers.Dense(2)
        self(X)

    def call(self, x):
        return {"cls": self.cls(x), "box": self.box(x)}


def compiled(model, loss=LOSSES, rate=0.1, **options):
    model.compile(keras.optimizers.SGD(rate), loss, **{"run_eagerly": EAGER, **options})
    return model


def fit(model, *callbacks, y=Y, **options):
    return model.fit(X, y, batch_size=8, verbose=0, callbacks=[*callbacks], **options).history


def moved(model, *callbacks, **options):
    """How far training moves the kernel of each output."""
    before = {name: getter(model, name).kernel.numpy() for name in Y}
    fit(model, *callbacks, **options)
    return {n: float(np.abs(getter(model, n).kernel.numpy() - before[n]).max()) for n in before}


def getter(model, name):
    return getattr(model, name) if isinstance(model, Subclassed) else model.get_layer(name)


MAKERS = [build, Subclassed, lambda seed: build(seed, form=list)]
IDS = ["dict", "subclassed", "list"]


@pytest.mark.parametrize("make", MAKERS, ids=IDS)
def test_each_output_learns_by_its_own_loss(make):
    teacher, student = make(1), compiled(make(2), rate=0.0)
    losses = {"cls": "kl_divergence", "box": "mse"}
    history = fit(student, Distillation(teacher, loss=losses, alpha=0.5), y=targets_of(make))
    taught, given = (values(model) for model in (teacher, student))
    expected = float(distillation.KLDivergence(4.0)(taught["cls"], given["cls"]))
    expected += np.square(taught["box"] - given["box"]).mean()
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-4)


def values(model):
    outputs = model.predict(X, verbose=0)
    return outputs if isinstance(outputs, dict) else dict(zip(Y, outputs, strict=True))


def targets_of(make):
    return [*Y.values()] if make is MAKERS[-1] else Y


@pytest.mark.parametrize("loss", ["mse", "MeanSquaredError", keras.losses.MeanSquaredError()])
def test_names_and_objects_of_keras_losses(loss):
    teacher, student = build(1), compiled(build(2), rate=0.0)
    taught, given = values(teacher), values(student)
    expected = sum(np.square(taught[name] - given[name]).mean() for name in Y)
    history = fit(student, Distillation(teacher, loss=loss))
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-4)


def test_a_function_as_a_loss():
    def gap(teacher, student):
        return keras.ops.mean(keras.ops.abs(teacher - student), axis=-1)

    teacher, student = build(1), compiled(build(2), rate=0.0)
    expected = np.abs(values(teacher)["box"] - values(student)["box"]).mean()
    history = fit(student, Distillation(teacher, loss={"cls": None, "box": gap}))
    np.testing.assert_allclose(history["distillation_loss"], [expected], rtol=1e-4)


@pytest.mark.parametrize("make", MAKERS, ids=IDS)
def test_an_output_that_is_left_out_trains_as_without_a_teacher(make):
    alone = moved(compiled(make(2)), y=targets_of(make))
    losses = {"cls": "kl_divergence", "box": None}
    for alpha in (0.5, 1.0):
        callback = Distillation(make(1), loss=losses, alpha=alpha)
        taught = moved(compiled(make(2)), callback, y=targets_of(make))
        assert taught["box"] == pytest.approx(alone["box"], rel=1e-4)
        assert taught["cls"] != pytest.approx(alone["cls"], rel=1e-2)


def test_two_teachers_for_two_outputs():
    one = Distillation(build(1), loss={"cls": "kl_divergence", "box": None}, name="one")
    two = Distillation(build(3), loss={"cls": None, "box": "mse"}, name="two")
    history = fit(compiled(build(2)), one, two)
    assert {"one_loss", "two_loss"} < set(history)
    with pytest.raises(ValueError, match="for each output shares `alpha` that add up"):
        fit(compiled(build(2)), one, Distillation(build(3), loss="mse", name="two"))


# Keras takes a list in the order of the sorted names.
@pytest.mark.parametrize("weights", [{"cls": 1.0, "box": 0.0}, [0.0, 1.0]], ids=str)
def test_weights_of_losses_hold_for_both_losses(weights):
    student = compiled(build(2), loss_weights=weights)
    found = moved(student, Distillation(build(1), loss="mse", alpha=0.5))
    assert found["box"] == 0 and found["cls"] > 0


def test_one_weight_scales_the_only_output():
    teacher = build(1, box=2)
    histories = [
        fit(
            compiled(build(2, box=2), {"box": "mse"}, 0.0, loss_weights=weight),
            Distillation(teacher, loss="mse"),
            y=Y["box"],
        )
        for weight in (None, {"box": 3.0})
    ]
    for name in ("loss", "distillation_loss", "hard_loss"):
        assert histories[1][name][0] == pytest.approx(3 * histories[0][name][0], rel=1e-5)


def test_outputs_without_a_loss_learn_only_by_a_loss_of_their_own():
    losses = {"cls": LOGITS, "box": None}
    assert moved(compiled(build(2), losses), Distillation(build(1)))["box"] == 0
    by_name = Distillation(build(1), loss={"cls": None, "box": "mse"}, alpha=0.5)
    assert moved(compiled(build(2), losses), by_name)["box"] > 0


@pytest.mark.parametrize("make", MAKERS, ids=IDS)
def test_a_regression_head_is_named(make):
    student, y = compiled(make(2)), targets_of(make)
    for from_logits in (None, True):
        with pytest.raises(
            ValueError, match=r"Output 'box' has values without classes.*'box': None"
        ):
            fit(student, Distillation(make(1), from_logits=from_logits), y=y)
    assert set(fit(student, y=y)) == set(fit(compiled(make(2)), y=y))


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"cls": "kl_divergence"}, r"one entry for each output.*loss with \['cls'\]"),
        ({"cls": "mse", "box": "mse", "bok": None}, "one entry for each output.*'bok'"),
        (["mse"], "one entry for each output"),
        ({"cls": None, "box": None}, "is `None` for every output"),
        ({"cls": keras.losses.CategoricalCrossentropy(), "box": None}, "logits.*probabilities"),
        ({"cls": keras.losses.KLDivergence(), "box": None}, "pass 'kl_divergence'"),
    ],
)
def test_losses_that_do_not_fit(loss, message):
    with pytest.raises(ValueError, match=message):
        fit(compiled(build(2)), Distillation(build(1), loss=loss))


# On JAX Keras builds the compiled loss, with the targets, before it tells callbacks anything.
WITHOUT_TARGETS = [None, LOSSES] if keras.config.backend() == "tensorflow" else [None]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("loss", WITHOUT_TARGETS)
def test_learning_from_the_teacher_alone(loss, policy):
    keras.config.set_dtype_policy(policy)
    try:
        student = compiled(build(2), loss)
    finally:
        keras.config.set_dtype_policy("float32")
    losses = {"cls": keras.losses.MeanSquaredError(), "box": "mse"}
    found = moved(student, Distillation(build(1), loss=losses, alpha=1.0), y=None)
    assert all(found.values())


@pytest.mark.parametrize("loss", WITHOUT_TARGETS)
def test_a_share_for_no_loss_is_refused(loss):
    student = compiled(build(2), loss)
    before = student.get_weights()
    with pytest.raises(ValueError, match=r"pass `alpha=1.0`.*Received: alpha=0.7"):
        fit(student, Distillation(build(1), loss={"cls": "mse", "box": "mse"}), y=None)
    for a, b in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    # Two that take all of it together leave nothing.
    pair = [
        Distillation(build(seed), loss={"cls": "mse", "box": "mse"}, alpha=0.5, name=str(seed))
        for seed in (1, 3)
    ]
    assert fit(student, *pair, y=None)["loss"][0] > 0


def test_metrics_without_targets_are_refused():
    student = compiled(build(2, cls=4), loss=None, metrics=["mae"])
    with pytest.raises(ValueError, match="no targets, so the metrics.*compile it without"):
        fit(student, Distillation(build(1, cls=4), loss="mse", alpha=1.0), y=None)


def test_a_model_compiled_without_a_loss_has_logits_if_its_teacher_has():
    student = compiled(build(2, cls=4), loss=None)
    teacher = compiled(build(1, cls=4), {"cls": LOGITS})
    assert fit(student, Distillation(teacher, alpha=1.0), y=None)["distillation_loss"][0] > 0


def test_teachers_with_other_outputs():
    losses = {"cls": "kl_divergence", "box": None}
    student = compiled(build(2), rate=0.0)
    single = build(1, cls=4)
    expected = distillation.KLDivergence()(values(single)["cls"], values(student)["cls"])
    for teacher in (single, with_more(single), keras.Model(single.input, single.output["cls"])):
        history = fit(student, Distillation(teacher, loss=losses))
        np.testing.assert_allclose(history["distillation_loss"], [float(expected)], rtol=1e-4)
    with pytest.raises(ValueError, match=r"exclude outputs.*teacher with \{'cls'.*model with"):
        fit(student, Distillation(single, loss={"cls": None, "box": "mse"}))


def with_more(teacher):
    more = keras.layers.Dense(7, name="more")(teacher.input)
    return keras.Model(teacher.input, {**teacher.output, "more": more})


def teacher_of(**inputs):
    tensors = {name: keras.Input(shape, name=name) for name, shape in inputs.items()}
    flat = [keras.layers.Flatten()(tensor) for tensor in tensors.values()]
    joined = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    outputs = {name: keras.layers.Dense(n)(joined) for name, n in (("cls", 4), ("box", 2))}
    return keras.Model(tensors, outputs, name="teacher")


@pytest.mark.parametrize("run_eagerly", [False, EAGER])
@pytest.mark.parametrize(
    "inputs", [{"image": (3,), "text": (5,)}, {"image": (4,)}, {"image": (8, 8, 3)}], ids=str
)
def test_teachers_with_other_inputs(inputs, run_eagerly):
    student = compiled(build(2), run_eagerly=run_eagerly)
    before = student.get_weights()
    with pytest.raises(
        ValueError, match=r"cannot be called on the inputs.*teacher with inputs.*ba"
    ):
        fit(student, Distillation(teacher_of(**inputs), loss="mse"))
    for a, b in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_teacher_with_its_own_precision_and_preprocessing():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((3,), name="image")
        x = keras.layers.Rescaling(2.0)(inputs)
        teacher = keras.Model(
            inputs, {n: keras.layers.Dense(u)(x) for n, u in (("cls", 4), ("box", 2))}
        )
    finally:
        keras.config.set_dtype_policy("float32")
    losses = {"cls": "kl_divergence", "box": "mse"}
    assert fit(compiled(build(2)), Distillation(teacher, loss=losses))["distillation_loss"][0] > 0
