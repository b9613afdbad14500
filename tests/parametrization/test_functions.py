"""Functions that a model traces follow what is attached to it."""

import keras
import numpy as np

import kerasopt as ko
from kerasopt.graph import clone

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


class Generating(keras.Sequential):
    """Keeps a traced function of its own, as causal language models of keras-hub do."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.generate_function = None

    def make_generate_function(self):
        if self.generate_function is None and keras.backend.backend() == "jax":
            import jax

            traced = jax.jit(lambda x: self(x))
            self.generate_function = lambda x: traced(x)
        elif self.generate_function is None:
            import tensorflow as tf

            self.generate_function = tf.function(self.call)
        return self.generate_function

    def generate(self, x):
        return np.asarray(self.make_generate_function()(keras.ops.convert_to_tensor(x)))


def made():
    keras.utils.set_random_seed(0)
    model = Generating([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    model.predict(X, verbose=0)
    return model, model.generate(X)


def test_functions_of_a_models_own_are_traced_anew():
    model, _ = made()
    model.compile("sgd", "mse")
    model.fit(X, X[:, :2], verbose=0, callbacks=[ko.callbacks.QuantizationAware(begin=0)])
    rounded = model.generate(X)
    np.testing.assert_allclose(rounded, model.predict(X, verbose=0), rtol=1e-5)
    ko.finalize(model, verbose=False)
    np.testing.assert_allclose(model.generate(X), model.predict(X, verbose=0), rtol=1e-5)
    assert (model.generate(X) != rounded).any()


def test_a_copy_traces_functions_of_its_own():
    model, before = made()
    copied = clone(model)
    copied.set_weights([np.zeros_like(x) for x in copied.get_weights()])
    assert not copied.generate(X).any()
    np.testing.assert_array_equal(model.generate(X), before)
