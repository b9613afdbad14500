"""Models that get, and lose, trainable variables between trainings."""

import keras
import numpy as np
import pytest

from kerasopt.parametrization import Parametrization, parametrize, renew_functions, unparametrize
from kerasopt.training.optimizers.gradient_statistics import unwatch_gradients, watch_gradients
from kerasopt.training.optimizers.learning_rates import reset_learning_rate, set_learning_rate
from kerasopt.training.optimizers.trainable_variables import follow_trainable_variables

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.1, amsgrad=True),
    "nadam": lambda: keras.optimizers.Nadam(0.1),
    "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "adafactor": lambda: keras.optimizers.Adafactor(0.1),
    "averages": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
    "accumulated": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1), 4.0),
}


class Factor(Parametrization):
    """Multiplies a weight by a number that is trained."""

    def build(self, input_shape):
        self.factor = self.add_weight(initializer="ones", name="factor")
        self.built = True

    def call(self, inputs):
        return inputs * self.factor


def network(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)]
    )
    model.compile(optimizer, "mse")
    return model


def fit(model, epochs=1):
    model.fit(X, Y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)


def attach(model):
    factor = Factor()
    parametrize(model.layers[0], "kernel", factor)
    follow_trainable_variables(model)
    renew_functions(model)
    return factor


def detach(model, factor):
    unparametrize(model.layers[0], "kernel", factor)
    follow_trainable_variables(model)
    renew_functions(model)


def state(model):
    return [variable.numpy() for variable in (*model.weights, *model.optimizer.variables)]


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_what_the_optimizer_has_of_other_variables_is_kept(make):
    plain, model = network(make()), network(make())
    fit(plain)
    fit(model)
    before = state(model)
    detach(model, attach(model))
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    fit(plain)
    fit(model)
    for old, new in zip(state(plain), state(model), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_new_variable_is_trained(make, tmp_path):
    model = network(make())
    fit(model)
    updates = int(model.optimizer.iterations)
    factor = attach(model)
    fit(model, epochs=2)
    assert abs(float(factor.factor.numpy()) - 1) > 1e-3
    assert int(model.optimizer.iterations) == 3 * updates
    assert [id(v) for v in model.optimizer._trainable_variables] == [
        id(v) for v in model.trainable_variables
    ]
    assert keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))


def test_an_optimizer_that_is_not_built_is_left_alone():
    model = network("adam")
    attach(model)
    assert not model.optimizer.built
    fit(model)


def test_statistics_of_gradients_stay():
    model = network("adam")
    kernel = model.layers[0].kernel
    (statistic,) = watch_gradients(
        model, [kernel], lambda total, weight, gradient: (total + gradient, gradient), "total"
    )
    renew_functions(model)
    fit(model)
    before = statistic.numpy()
    attach(model)
    assert model.optimizer.variables[-1] is statistic
    fit(model)
    assert (statistic.numpy() != before).any()
    unwatch_gradients(model, [statistic])
    assert type(model.optimizer) is keras.optimizers.Adam


@pytest.mark.parametrize("factor", [0.0, 0.5])
def test_learning_rates_of_single_variables(factor):
    plain, model = network(keras.optimizers.SGD(0.1)), network(keras.optimizers.SGD(0.1))
    bias = model.layers[1].bias
    set_learning_rate(model, [bias], factor)
    x, y = X[:4], Y[:4]
    plain.train_on_batch(x, y)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(bias.numpy(), factor * plain.layers[1].bias.numpy(), rtol=1e-5)
    np.testing.assert_array_equal(model.layers[1].kernel, plain.layers[1].kernel)
    reset_learning_rate(model, [bias])
    assert type(model.optimizer) is keras.optimizers.SGD


def test_a_variable_with_a_learning_rate_of_its_own_has_no_weight_decay():
    model = network(keras.optimizers.SGD(0.1, weight_decay=0.5))
    kernel, other = model.layers[0].kernel, model.layers[1].kernel
    before, others = kernel.numpy(), other.numpy()
    set_learning_rate(model, [kernel], 0.0)
    model.train_on_batch(X, Y)
    np.testing.assert_array_equal(kernel.numpy(), before)
    assert (other.numpy() != others).all()
