"""Training a model with a technique: the cases that every technique inherits."""

import keras
import numpy as np
import pytest
from techniques import models

import kerasopt as ko
from kerasopt.training.clock import Clock

EPOCHS = 2


def loss():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Technique:
    """What a technique supplies to inherit the cases: `callbacks`, and what `check` asserts.

    Attributes:
        layers: The module that the layers of the models come from.
        home: The name of the module that registers what files of the models need.
        sparsity: The fraction of zeros in every kernel of a file.
        rounds_activations: Whether `finalize` takes something off that predictions depend on.
    """

    layers = models.plain
    home = "kerasopt"
    rounds_activations = False
    sparsity = 0.0

    def callbacks(self, model, data) -> list:
        """Returns the callbacks that compress `model` in a fit of `EPOCHS` epochs on `data`."""
        raise AssertionError("a technique has callbacks")

    def check(self, model) -> None:
        """Asserts what must hold of the weights that the layers of a compressed model read."""
        raise AssertionError("a technique has a property")

    def make(self, name, optimizer="adam", **compile_arguments) -> keras.Model:
        """Returns a model of the zoo, compiled; eagerly run, unless asked otherwise."""
        keras.utils.set_random_seed(0)
        model = models.ZOO[name](self.layers)
        # A few eager steps take less time than tracing a function.
        eager = {"run_eagerly": keras.config.backend() == "tensorflow"}
        model.compile(optimizer, loss(), **(compile_arguments or eager))
        return model

    def fit(self, model, *callbacks, **kwargs):
        """Trains `model` with the technique and `callbacks`."""
        data = self.data(model)
        callbacks = [*self.callbacks(model, data), *callbacks]
        return model.fit(data, **{"epochs": EPOCHS, "verbose": 0} | kwargs, callbacks=callbacks)

    def data(self, model) -> keras.utils.PyDataset:
        """Returns what `model` trains on."""
        return models.Batches(model)


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Raises in the middle of the second epoch."""

    def __init__(self, exception=Killed):
        super().__init__()
        self.exception, self.epoch = exception, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            raise self.exception


def predict(model) -> np.ndarray:
    return model.predict(models.data(model)[0], verbose=0)


class TrainingTests(Technique):
    """The property holds after training, whatever the model and however it is trained."""

    @pytest.mark.parametrize(
        "arguments",
        [{"jit_compile": True}, {"steps_per_execution": 3}],
        ids=str,
    )
    def test_in_compiled_steps(self, arguments):
        model = self.make("sequential", **arguments)
        self.fit(model)
        self.check(model)

    def test_what_was_traced_before_is_forgotten(self):
        model = self.make("sequential", jit_compile=False)
        Clock.of(model)  # as an earlier fit with callbacks leaves it, which would renew them itself
        x, y = models.data(model)
        for call in (model.fit, model.evaluate):
            call(x, y, verbose=0)
        plain = predict(model)
        self.fit(model)
        self.check(model)
        assert not np.allclose(predict(model), plain, rtol=1e-3)
        for _ in ("compressed", "finalized"):
            outputs = keras.ops.convert_to_numpy(model(x))
            np.testing.assert_allclose(predict(model), outputs, atol=1e-5)
            expected = float(model.loss(y, outputs))
            np.testing.assert_allclose(model.evaluate(x, y, verbose=0), expected, rtol=1e-4)
            ko.finalize(model, verbose=False)

    @pytest.mark.parametrize(
        "optimizer",
        [
            lambda: keras.optimizers.AdamW(weight_decay=0.1),
            lambda: keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True),
            lambda: keras.optimizers.Adam(use_ema=True, ema_overwrite_frequency=2),
            lambda: keras.optimizers.Adam(gradient_accumulation_steps=2),
        ],
        ids=["weight_decay", "ema", "ema_overwriting", "gradient_accumulation"],
    )
    def test_with_any_optimizer(self, optimizer):
        model = self.make("sequential", optimizer())
        self.fit(model)
        self.check(model)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_in_mixed_precision(self, policy):
        keras.config.set_dtype_policy(policy)
        try:
            # A scale that no step has to be skipped for: skipped steps do not count as updates.
            optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), 2.0)
            model = self.make("sequential", optimizer)
        finally:
            keras.config.set_dtype_policy("float32")
        self.fit(model)
        self.check(model)
        assert predict(model).dtype == policy.removeprefix("mixed_")

    def test_in_a_train_step_of_the_models_own(self):
        class Plain(keras.Model):
            def train_step(self, data):
                import tensorflow as tf

                x, y = data
                with tf.GradientTape() as tape:
                    value = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
                weights = self.trainable_variables
                self.optimizer.apply(tape.gradient(value, weights), weights)
                return {"loss": value}

        inner = self.make("sequential")
        model = Plain(inner.inputs, inner.outputs, name="own_step")
        model.compile("adam", loss(), run_eagerly=True)
        self.fit(model)
        self.check(model)

    def test_a_second_fit_and_a_second_compile(self):
        model = self.make("nested")
        self.fit(model)
        variables = len(model.variables)
        self.fit(model)
        self.check(model)
        model.compile("sgd", loss(), run_eagerly=model.run_eagerly)
        self.fit(model)
        self.check(model)
        assert len(model.variables) == variables
