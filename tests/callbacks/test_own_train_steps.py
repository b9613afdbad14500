"""Models whose authors write the training step: without a `call`, with several optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from techniques.refusals import refused

import kerasopt as ko

X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")


@keras.saving.register_keras_serializable(package="kerasopt_tests")
class GAN(keras.Model):
    """Two networks against each other: no `call`, two optimizers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        dense = keras.layers.Dense
        self.generator = keras.Sequential([keras.Input((4,)), dense(8, name="g1"), dense(6)])
        self.critic = keras.Sequential([keras.Input((6,)), dense(8, name="c1"), dense(1)])

    def compile(self, passed_on=False):
        self.critic_optimizer = keras.optimizers.Adam()
        self.generator_optimizer = keras.optimizers.SGD()
        passed = {"optimizer": self.generator_optimizer} if passed_on else {}
        super().compile(**passed, run_eagerly=True)

    def train_step(self, x):
        noise = tf.ones((len(x), 4))
        with tf.GradientTape() as tape:
            gap = tf.reduce_mean(self.critic(self.generator(noise))) - tf.reduce_mean(
                self.critic(x)
            )
        self._apply(tape, gap, self.critic, self.critic_optimizer)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.critic(self.generator(noise)))
        self._apply(tape, loss, self.generator, self.generator_optimizer)
        return {"loss": loss}

    def _apply(self, tape, loss, part, optimizer):
        weights = part.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))


def fit(model, *callbacks):
    return model.fit(X, batch_size=8, epochs=2, verbose=0, callbacks=[*callbacks])


def zeros(model):
    parts = {"generator": model.generator, "critic": model.critic}
    return {
        name: float((part.layers[0].kernel.numpy() == 0).mean()) for name, part in parts.items()
    }


def callbacks():
    pruning = ko.callbacks.Pruning(
        ko.schedules.Linear(0.0, 0.5, end="50%"), rules=[("critic/*", None)]
    )
    return pruning, ko.callbacks.QuantizationAware("int8", rules=[("critic/*", None)])


@pytest.mark.parametrize("built", [False, True])
def test_a_model_without_a_call_is_compressed_and_saved(built, tmp_path, recwarn):
    model = GAN()
    model.compile(passed_on=True)
    model.built = built
    fit(model, *callbacks())
    assert zeros(model) == {"generator": 0.5, "critic": 0.0}
    assert not [each for each in recwarn if "updates" in str(each.message)]
    model.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    noise = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(loaded.generator(noise), model.generator(noise))


@pytest.mark.parametrize("built", [False, True])
def test_an_optimizer_that_nothing_uses_is_refused_before_the_first_step(built):
    model = GAN(name="gan")
    model.compile()
    model.built = built
    with refused(model, "'gan' is trained by its own optimizers.*super.*critic_optimizer"):
        fit(model, callbacks()[0])
    model.compile(passed_on=True)
    model.optimizer = None
    with pytest.raises(ValueError, match="'gan' is trained by its own optimizers"):
        fit(model, callbacks()[0])


def test_further_optimizers_beside_the_one_in_use_are_no_fault():
    class ActorCritic(GAN):
        def compile(self):
            super().compile(passed_on=True)
            self.temperature_optimizer = keras.optimizers.Adam()

    model = ActorCritic()
    model.compile()
    fit(model, callbacks()[0])
    assert zeros(model)["generator"] == 0.5


def test_parts_without_weights_are_named():
    model = GAN()
    model.generator = keras.Sequential([keras.layers.Dense(6)])
    model.compile(passed_on=True)
    with pytest.raises(ValueError, match="build all of its parts"):
        fit(model, callbacks()[0])
