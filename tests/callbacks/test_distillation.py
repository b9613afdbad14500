import keras
import numpy as np
import pytest
from processes import run, run_with_keras

from kerasopt import distillation
from kerasopt.callbacks.distillation import Distillation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype("float32")
Y = RNG.integers(0, 4, 16)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
# Quicker than tracing, where what is tested is arithmetic.
EAGER = keras.config.backend() == "tensorflow"
PROBABILITIES = "sparse_categorical_crossentropy"


def build(units=2, classes=4, activation=None, seed=0, loss=LOGITS, **kwargs):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(classes, activation=activation, dtype="float32"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), loss, **{"run_eagerly": EAGER, **kwargs})
    return model


def build_teacher(seed=7, **kwargs):
    return build(units=8, seed=seed, **kwargs)


def fit(model, *callbacks, **kwargs):
    arguments = {"batch_size": 8, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments).history


def frozen_student(**kwargs):
    """A student that does not change in a step, and has no dropout: its losses are known."""
    model = build(**kwargs)
    model.layers[1].trainable = False
    model.layers[2].rate = 0.0
    model.optimizer.learning_rate = 0.0
    return model


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_loss_and_its_parts(alpha):
    teacher, student = build_teacher(), frozen_student()
    outputs = [model.predict(X, verbose=0) for model in (teacher, student)]
    expected = float(distillation.KLDivergence(3.0)(*outputs))
    history = fit(student, Distillation(teacher, temperature=3.0, alpha=alpha))
    hard, soft = history["hard_loss"][0], history["distillation_loss"][0]
    np.testing.assert_allclose(soft, expected, rtol=1e-4)
    np.testing.assert_allclose(hard, float(LOGITS(Y, outputs[1])), rtol=1e-4)
    np.testing.assert_allclose(history["loss"][0], (1 - alpha) * hard + alpha * soft, rtol=1e-4)


@pytest.mark.parametrize("student_gives", ["logits", "probabilities"])
@pytest.mark.parametrize("teacher_gives", ["logits", "probabilities"])
def test_logits_and_probabilities_are_told_apart(student_gives, teacher_gives):
    kinds = {
        "logits": {"loss": LOGITS},
        "probabilities": {"loss": PROBABILITIES, "activation": "softmax"},
    }
    reference = fit(frozen_student(), Distillation(build_teacher()))
    student, teacher = frozen_student(**kinds[student_gives]), build_teacher(**kinds[teacher_gives])
    history = fit(student, Distillation(teacher))
    np.testing.assert_allclose(history["loss"], reference["loss"], rtol=1e-4)
    np.testing.assert_allclose(
        history["distillation_loss"], reference["distillation_loss"], rtol=1e-3
    )


def test_the_student_learns_from_the_teacher_alone():
    teacher, student = build_teacher(), build(units=32)
    history = fit(student, Distillation(teacher, alpha=1.0), epochs=15)
    assert history["distillation_loss"][-1] < 0.7 * history["distillation_loss"][0]


def test_regularizers_keep_their_weight():
    teacher, student = build_teacher(), frozen_student()
    student.layers[-1].kernel.regularizer = keras.regularizers.L2(1.0)
    penalty = float(np.square(student.layers[-1].kernel.numpy()).sum())
    history = fit(student, Distillation(teacher, alpha=1.0))
    expected = history["distillation_loss"][0] + penalty
    np.testing.assert_allclose(history["loss"][0], expected, rtol=1e-4)


def test_sample_weights_count_in_both_losses():
    teacher, student = build_teacher(), frozen_student()
    plain = fit(student, Distillation(teacher))
    double = fit(student, Distillation(teacher), sample_weight=np.full(16, 2.0))
    for name in ("hard_loss", "distillation_loss", "loss"):
        np.testing.assert_allclose(double[name][0], 2 * plain[name][0], rtol=1e-4)


def test_the_teacher_is_read_and_not_changed():
    teacher, student = build_teacher(), frozen_student(run_eagerly=False)
    callback = Distillation(teacher)
    first = fit(student, callback)["distillation_loss"]
    before = [variable.numpy() for variable in teacher.variables]
    fit(student, callback, epochs=2)
    for variable, value in zip(teacher.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    teacher.layers[-1].kernel.assign(teacher.layers[-1].kernel * 3)
    assert fit(student, callback)["distillation_loss"][0] != pytest.approx(first[0], rel=1e-2)


def test_the_teacher_is_no_part_of_the_student(tmp_path):
    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "model.keras")
            self.counts = [self.model.count_params(), len(self.model.get_weights())]
            self.counts += [len(self.model.trainable_variables)]
            self.counts += [len(self.model.optimizer.variables)]

    look, plain = Look(), build()
    fit(plain, look)
    counts, size = look.counts, (tmp_path / "model.keras").stat().st_size
    student = build(run_eagerly=False)
    fit(student, look, Distillation(build_teacher()))
    assert look.counts == counts
    assert abs((tmp_path / "model.keras").stat().st_size - size) < 100
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), student.predict(X, verbose=0))
    assert len(student.metrics) == len(plain.metrics)


@pytest.mark.parametrize(
    "kwargs", [{"jit_compile": False}, {"jit_compile": True}, {"steps_per_execution": 2}]
)
def test_ways_to_run_the_step_agree(kwargs):
    reference, student = build(), build(run_eagerly=False, **kwargs)
    for model in (reference, student):
        model.layers[2].rate = 0.0
        fit(model, Distillation(build_teacher()), epochs=2)
    for a, b in zip(student.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    teacher = build_teacher()
    keras.config.set_dtype_policy(policy)
    try:
        student = build()
    finally:
        keras.config.set_dtype_policy("float32")
    history = fit(student, Distillation(teacher), epochs=2)
    assert np.isfinite(history["loss"]).all()
    assert history["distillation_loss"][0] > 0


def test_two_teachers_share_one_hard_loss_in_any_order():
    teachers = [
        Distillation(build_teacher(seed), alpha=alpha, name=name)
        for seed, alpha, name in ((1, 0.2, "first"), (2, 0.5, "second"))
    ]
    logs = [fit(frozen_student(), *order) for order in (teachers, teachers[::-1])]
    for log in logs:
        parts = 0.3 * log["hard_loss"][0] + 0.2 * log["first_loss"][0] + 0.5 * log["second_loss"][0]
        np.testing.assert_allclose(log["loss"][0], parts, rtol=1e-4)
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=1e-6)


def test_one_teacher_in_two_callbacks():
    teacher = build_teacher()
    callbacks = [
        Distillation(teacher, temperature=temperature, alpha=0.4, name=f"at_{temperature}")
        for temperature in (1, 8)
    ]
    history = fit(build(run_eagerly=False), *callbacks)
    assert {"at_1_loss", "at_8_loss"} < set(history)


def test_a_teacher_that_shares_layers_with_the_student():
    student = build(run_eagerly=False)
    trunk = keras.Model(student.inputs, student.layers[1].output)
    teacher = keras.Sequential([trunk, keras.layers.Dense(4)])
    teacher.build((None, 3))
    assert fit(student, Distillation(teacher))["distillation_loss"][0] > 0


def test_several_inputs_and_outputs():
    def two_heads(seed):
        keras.utils.set_random_seed(seed)
        a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
        outputs = {"p": keras.layers.Dense(4)(a), "q": keras.layers.Dense(5)(b)}
        model = keras.Model({"a": a, "b": b}, outputs)
        model.compile(keras.optimizers.SGD(0.0), {"p": LOGITS, "q": LOGITS})
        return model

    teacher, student = two_heads(0), two_heads(1)
    x = {"a": X, "b": -X}
    outputs = [model.predict(x, verbose=0) for model in (teacher, student)]
    loss = distillation.KLDivergence(4.0)
    expected = sum(float(loss(outputs[0][head], outputs[1][head])) for head in "pq")
    history = student.fit(x, {"p": Y, "q": Y}, callbacks=[Distillation(teacher)], verbose=0).history
    np.testing.assert_allclose(history["distillation_loss"][0], expected, rtol=1e-4)


def test_a_loss_object_for_a_regression():
    def regression(seed):
        model = build(classes=1, seed=seed, loss="mse")
        model.optimizer.learning_rate = 0.0
        return model

    teacher, student = regression(0), regression(1)
    student.layers[1].trainable, student.layers[2].rate = False, 0.0
    expected = np.mean(np.square(teacher.predict(X, verbose=0) - student.predict(X, verbose=0)))
    callback = Distillation(teacher, loss=keras.losses.MeanSquaredError())
    np.testing.assert_allclose(fit(student, callback)["distillation_loss"], [expected], rtol=1e-4)


class Subclassed(keras.Model):
    def __init__(self, classes=4):
        super().__init__()
        self.dense = keras.layers.Dense(classes)

    def call(self, x):
        return self.dense(x)


def test_subclassed_models():
    teacher, student = Subclassed(), Subclassed()
    teacher(X)
    student.compile("sgd", LOGITS)
    assert fit(student, Distillation(teacher))["distillation_loss"][0] > 0


@pytest.mark.parametrize("subclassed", [False, True])
def test_a_teacher_with_other_outputs(subclassed):
    student = Subclassed() if subclassed else build()
    student.compile("sgd", LOGITS)
    student(X)
    before = student.get_weights()
    with pytest.raises(ValueError, match=r"teacher with .*5.*, model with .*4"):
        fit(student, Distillation(build_teacher(classes=5)))
    for a, b in zip(student.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(fit(student)) == {"loss"}


def test_a_model_is_not_its_own_teacher():
    student = build()
    for teacher in (
        student,
        keras.Sequential([keras.Input((3,)), student]),
        keras.Model(student.inputs, student.outputs),
    ):
        with pytest.raises(ValueError, match="must not share all.*Received: teacher="):
            fit(student, Distillation(teacher))
    assert "make_train_function" not in vars(student)


@pytest.mark.parametrize("names", [("a", "a"), ("a", "b")])
def test_two_callbacks_that_do_not_go_together(names):
    student = build()
    callbacks = [Distillation(build_teacher(), alpha=0.7, name=name) for name in names]
    with pytest.raises(ValueError, match="Received: name="):
        fit(student, *callbacks)
    assert set(fit(student)) == {"loss"}


def test_outputs_of_unknown_kind():
    student, teacher = build(loss=lambda y, outputs: outputs), build_teacher()
    fit(student, Distillation(teacher))  # which is compiled for logits
    teacher = build_teacher(loss=None)
    fit(student, Distillation(teacher, from_logits=True))
    with pytest.raises(ValueError, match="may be logits or probabilities.*`from_logits`"):
        fit(student, Distillation(teacher))


@pytest.mark.parametrize("from_logits", [None, True])
@pytest.mark.parametrize(
    ("classes", "loss", "message", "advised"),
    [
        (4, "mse", "has values without classes", "mse"),
        (4, keras.losses.Huber(), "has values without classes", "mse"),
        (4, "binary_crossentropy", "has decisions, each for itself", "binary"),
        (1, "binary_crossentropy", "has one unit", "binary"),
        (1, "mse", "has one unit", "mse"),
        (1, LOGITS, "has one unit", "mse"),
    ],
)
def test_outputs_without_classes(classes, loss, message, advised, from_logits):
    student, teacher = build(loss=loss, classes=classes), build_teacher(classes=classes)
    targets = Y % classes if loss is LOGITS else np.ones((len(Y), classes))
    with pytest.raises(ValueError, match=f"{message}.*as '{advised}'.*ceived: loss='kl_diver"):
        student.fit(
            X, targets, verbose=0, callbacks=[Distillation(teacher, from_logits=from_logits)]
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.2}, "Received: alpha=1.2"),
        ({"alpha": -0.1}, "Received: alpha=-0.1"),
        ({"temperature": 0.0}, "Received: temperature=0.0"),
        ({"loss": "cosine"}, "Received: loss='cosine'"),
        ({"loss": "categorical_crossentropy"}, "Received: loss='categorical_crossentropy'"),
        ({"loss": {"a": "mse", "b": 3}}, "Received: loss=3"),
        ({"loss": {"a": "mse", "b": ["mse", "kl"]}}, "Received: loss='kl'"),
        ({"loss": keras.losses.MeanSquaredError(), "temperature": 2.0}, "temperature=2.0"),
        ({"loss": {"a": "mse", "b": None}, "from_logits": True}, "from_logits=True"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Distillation(build_teacher(), **arguments)


@pytest.mark.parametrize("teacher", [None, lambda x: x, "teacher"])
def test_no_model_as_a_teacher(teacher):
    with pytest.raises(TypeError, match="Received: teacher="):
        Distillation(teacher)


def test_a_teacher_without_weights():
    with pytest.raises(ValueError, match="no weights yet.*Received: teacher=fresh"):
        Distillation(keras.Sequential([keras.layers.Dense(4)], name="fresh"))
    teacher = Subclassed()
    teacher.built = True  # by hand, as authors of a `train_step` of their own do
    with pytest.raises(ValueError, match="Some layers of `teacher` had no weights"):
        fit(build(), Distillation(teacher))


_SEVERAL_DEVICES = """
import keras, numpy as np
from kerasopt.callbacks.distillation import Distillation

x, y = np.random.default_rng(0).normal(size=(16, 3)), np.arange(16) % 4
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

def build(seed):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, kernel_regularizer="l2")])
    model.set_weights([np.random.default_rng(seed).normal(size=(3, 4)), np.zeros(4)])
    model.compile("sgd", loss)
    return model

def train(student):
    callbacks = [Distillation(build(0))]
    fit = student.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0,
                      validation_data=(x, y), callbacks=callbacks)
    return [v for values in sorted(fit.history.items()) for v in values[1]], student.get_weights()

if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    cpu, = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    one = train(build(1))
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        student = build(1)
else:
    one = train(build(1))
    distribution = keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"])
    keras.distribution.set_distribution(distribution)
    student = build(1)
student.evaluate(x, y, batch_size=8, verbose=0)
two = train(student)
np.testing.assert_allclose(two[0], one[0], rtol=1e-5)
np.testing.assert_allclose(two[1][0], one[1][0], rtol=1e-5)
"""


def test_several_devices_train_as_one():
    run_with_keras(_SEVERAL_DEVICES)


def test_several_devices_train_as_one_on_jax():
    devices = "--xla_force_host_platform_device_count=2"
    run("-c", _SEVERAL_DEVICES, KERAS_BACKEND="jax", XLA_FLAGS=devices)
