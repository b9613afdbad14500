import keras
import numpy as np
import pytest

from kerasopt.training.fit_scope import FitMember
from kerasopt.training.loss_terms import LossTerm
from kerasopt.training.training_values import TrainingValues

X = np.linspace(0, 1, 48, dtype="float32").reshape(16, 3)
Y = X @ np.ones((3, 2), "float32")


class Shift(FitMember, LossTerm):
    """Adds `factor * weight * sum(y_pred)`, and logs it; the weight is no weight of the model."""

    def __init__(self, factor=1.0, name="shift"):
        super().__init__()
        self.factor, self.name, self.traces = factor, name, 0
        self.weight = keras.Variable(2.0, name="shift_weight")

    def make_values(self, model):
        return TrainingValues((self.name,), carried=[self.weight])

    def added_loss(self, x, y, y_pred, sample_weight, loss):
        self.traces += 1
        self.x_shape, self.loss = tuple(x.shape), loss
        added = self.factor * self.weight * keras.ops.sum(y_pred)
        return added, {self.name: added}


class CustomStep(keras.Sequential):
    """A train step of one's own on each backend; `uses_compute_loss` says what it calls."""

    uses_compute_loss = True

    def train_step(self, *args):
        if keras.config.backend() == "jax":
            return self._jax_step(*args)
        import tensorflow as tf

        x, y, _ = keras.utils.unpack_x_y_sample_weight(*args)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self._loss_of(x, y, y_pred)
        weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}

    def _jax_step(self, state, data):
        import jax

        trainable, non_trainable, optimizer, metrics = state
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)

        def loss_of(trainable):
            y_pred, _ = self.stateless_call(trainable, non_trainable, x, training=True)
            return self._loss_of(x, y, y_pred)

        loss, gradients = jax.value_and_grad(loss_of)(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        return {"loss": loss}, (trainable, non_trainable, optimizer, metrics)

    def _loss_of(self, x, y, y_pred):
        if self.uses_compute_loss:
            return self.compute_loss(x=x, y=y, y_pred=y_pred)
        return keras.ops.mean((y - y_pred) ** 2)


def build(cls=keras.Sequential, regularizer=None, **kwargs):
    keras.utils.set_random_seed(1)
    model = cls([keras.Input((3,)), keras.layers.Dense(2, kernel_regularizer=regularizer)])
    model.compile(keras.optimizers.SGD(0.01), "mse", **kwargs)
    return model


def fit(model, *callbacks, **kwargs):
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(X, Y, callbacks=list(callbacks), **arguments).history


def assert_untouched(model):
    assert not {"compute_loss", "make_train_function"} & set(vars(model))
    assert not any(isinstance(metric, TrainingValues) for metric in model.metrics)


def bias_after(*callbacks, **kwargs):
    model = build(**kwargs)
    fit(model, *callbacks)
    return model.get_weights()[1]


# A term whose gradient with respect to the bias is known: factor * 2 * batch size, 4 steps of 4.
STEP = 0.01 * 2 * 4


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"jit_compile": True},
        {"jit_compile": False},
        {"run_eagerly": True},
        {"steps_per_execution": 3},
        {"cls": CustomStep},
        {"cls": CustomStep, "run_eagerly": True},
    ],
)
def test_the_term_is_trained(kwargs):
    plain, shifted = bias_after(**kwargs), bias_after(Shift(1e4), **kwargs)
    np.testing.assert_allclose((shifted - plain) / (1e4 * STEP), -3.94, atol=0.05)


def test_terms_add_up_in_any_order_and_see_the_same_loss():
    first, second = Shift(1e4, "a"), Shift(-1e4, "b")
    for order in ([first, second], [second, first]):
        np.testing.assert_allclose(bias_after(*order), bias_after(), atol=1e-2)
    assert first.loss is second.loss
    np.testing.assert_array_equal(bias_after(first), bias_after(Shift(1e4)))


def test_the_same_callback_twice_is_one_and_serves_several_fits():
    term = Shift(1e4)
    np.testing.assert_array_equal(bias_after(term, term), bias_after(Shift(1e4)))
    model = build()
    for _ in range(2):
        fit(model, term)
        assert_untouched(model)
    expected = build()
    fit(expected, Shift(1e4), epochs=2)
    np.testing.assert_allclose(model.get_weights()[1], expected.get_weights()[1], rtol=1e-5)


def test_the_term_sees_the_batch_and_the_loss_without_regularizers():
    term = Shift(0.0)
    model = build(regularizer=keras.regularizers.L2(100.0), run_eagerly=True)
    if keras.config.backend() == "tensorflow":
        model.optimizer.learning_rate = 0.0
        expected = np.mean((model.predict(X[-4:], verbose=0) - Y[-4:]) ** 2)
        fit(model, term)
        np.testing.assert_allclose(term.loss, expected, rtol=1e-3)
    else:
        fit(model, term)
    assert term.x_shape == (4, 3)


def test_a_loss_of_the_users_own_comes_back():
    def own(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return keras.ops.mean(y_pred**2)

    model = build()
    vars(model)["compute_loss"] = own
    fit(model, Shift(1.0))
    assert vars(model)["compute_loss"] is own


class OldSignature(keras.Sequential):
    def compute_loss(self, x, y, y_pred, sample_weight):
        return keras.ops.mean((y - y_pred) ** 2)


def test_compute_loss_without_a_training_argument():
    shift = bias_after(Shift(1e4), cls=OldSignature) - bias_after(cls=OldSignature)
    np.testing.assert_allclose(shift / (1e4 * STEP), -3.94, atol=0.05)


def test_values_are_logged_in_training_alone():
    model, term = build(), Shift(1.0)
    seen = []
    spy = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(model.evaluate(X, Y, verbose=0))
    )
    history = fit(model, term, spy, epochs=2, validation_data=(X, Y))
    assert set(history) == {"loss", "shift", "val_loss"}
    assert np.ptp(history["shift"]) > 0
    assert all(isinstance(loss, float) for loss in seen)
    np.testing.assert_allclose(seen, history["val_loss"], rtol=1e-6)
    assert set(fit(model)) == {"loss"}


def test_logged_value_is_the_mean_over_samples():
    model = build()
    model.optimizer.learning_rate = 0.0
    batches = [2 * model.predict(X[i : i + 5], verbose=0).sum() for i in range(0, 16, 5)]
    history = fit(model, Shift(1.0), batch_size=5)
    np.testing.assert_allclose(
        history["shift"][0], np.average(batches, weights=[5, 5, 5, 1]), rtol=1e-4
    )


def test_survives_a_train_function_made_anew_in_the_middle():
    class Renew(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.make_train_function(force=True)

        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.make_train_function(force=True)

    term = Shift(1e4)
    expected = bias_after(Shift(1e4))
    np.testing.assert_allclose(bias_after(Renew(), term, Renew()), expected, rtol=1e-5)
    assert term.traces == 2


def test_weights_and_files_are_those_of_the_model_during_fit(tmp_path):
    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "model.keras")
            self.model.save_weights(tmp_path / "model.weights.h5")
            self.counts = (self.model.count_params(), len(self.model.variables))
            self.trainable = len(self.model.trainable_variables)
            self.optimizer = len(self.model.optimizer.variables)

    looks = Look(), Look()
    plain, shifted = build(), build()
    fit(plain, looks[0])
    fit(shifted, looks[1], Shift())
    for name in ("counts", "trainable", "optimizer"):
        assert getattr(looks[0], name) == getattr(looks[1], name)
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    plain.load_weights(tmp_path / "model.weights.h5")
    for a, b, c in zip(
        loaded.get_weights(), plain.get_weights(), shifted.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)


class Interrupt(keras.callbacks.Callback):
    def __init__(self, moment, exception=KeyboardInterrupt):
        super().__init__()
        self.moment, self.exception = moment, exception

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "__dict__").get("moment"):
            raise object.__getattribute__(self, "exception")
        return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    ("moment", "exception", "then"),
    [
        ("on_epoch_begin", KeyboardInterrupt, "fit"),
        ("on_train_batch_end", KeyboardInterrupt, "train_on_batch"),
        ("on_train_batch_end", RuntimeError, "fit"),
        ("on_epoch_end", RuntimeError, "train_on_batch"),
    ],
)
def test_interrupted_anywhere(moment, exception, then):
    model = build()
    with pytest.raises(exception):
        fit(model, Shift(1e4), Interrupt(moment, exception))
    assert "compute_loss" not in vars(model)
    before = model.get_weights()
    assert isinstance(model.evaluate(X, Y, verbose=0), float)
    fresh = build()
    fresh.set_weights(before)
    for m in (model, fresh):
        if then == "fit":
            assert set(fit(m)) == {"loss"}
        else:
            assert np.shape(m.train_on_batch(X, Y)) == ()
    np.testing.assert_allclose(model.get_weights()[1], fresh.get_weights()[1], rtol=1e-5)
    assert_untouched(model)


def test_a_step_that_fails_leaves_the_model_usable():
    class Broken(Shift):
        def added_loss(self, *args):
            raise RuntimeError("broken term")

    model = build()
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="broken term"):
        fit(model, Broken())
    assert "compute_loss" not in vars(model)
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(fit(model)) == {"loss"}


def test_a_train_step_that_never_computes_the_loss():
    model = build(CustomStep)
    model.uses_compute_loss = False
    with pytest.raises(ValueError, match="does not call.*Received: model=CustomStep"):
        fit(model, Shift())
    assert_untouched(model)
    assert model.optimizer.iterations.numpy() == 1
    assert set(fit(model)) == {"loss"}


def test_a_train_step_that_never_computes_the_loss_in_an_epoch_of_one_step():
    model = build(CustomStep)
    model.uses_compute_loss = False
    with pytest.raises(ValueError, match="does not call"):
        fit(model, Shift(), batch_size=16)
    assert_untouched(model)
