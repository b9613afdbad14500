import keras
import numpy as np
import pytest
from keras import layers

import kerasopt as ko
from kerasopt.graph import large_matrices_left_out


class Experts(layers.Layer):
    """A mixture whose experts are one array, which is not called `kernel`."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, shape):
        self.w = self.add_weight(shape=(self.count, shape[-1], 4), name="w")
        self.w_bias = self.add_weight(shape=(self.count, 4), name="w_bias")

    def call(self, x):
        return keras.ops.sum(x[:, None, :, None] * self.w, axis=(1, 2))


def model(count=3):
    inputs = keras.Input((4,))
    return keras.Model(inputs, Experts(count, name="experts")(layers.Dense(4, name="in")(inputs)))


X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")


def fit(model, *callbacks):
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(X, X, verbose=0, callbacks=list(callbacks))
    return model


def test_matrices_with_another_name_are_a_large_share_or_not():
    assert large_matrices_left_out(model(), []) == {"experts/w": 48}
    assert not large_matrices_left_out(keras.Sequential([keras.Input((4,)), layers.PReLU()]), [])
    wide = keras.Input((40,))
    x = layers.Dense(4, name="in")(wide)
    assert not large_matrices_left_out(keras.Model(wide, Experts(3)(x)), [])


def test_pruning_tells_the_rule_that_selects_them():
    with pytest.warns(UserWarning, match=r'48 values.*rules=\[\("experts/w", 0.5\)\] to prune'):
        fit(model(), ko.callbacks.Pruning(0.5))
    pruned = fit(model(), ko.callbacks.Pruning(0.5, rules=[("experts/w", 0.5)]))
    ko.finalize(pruned, verbose=False)
    assert (pruned.get_layer("experts").w.numpy() == 0).sum() == 24


@pytest.mark.filterwarnings("error:.*not called `kernel`")
def test_a_rule_silences_the_warning():
    fit(model(), ko.callbacks.Pruning(0.5, rules=[("experts/w", None)]))
    ko.quantize(model(), "int8", X, rules=[("experts", None)], verbose=0)


def test_quantization_names_them():
    with pytest.warns(UserWarning, match="48 values of .* stay float32.*'experts/w'"):
        ko.quantize(model(), "int8", X, verbose=0)
    with pytest.warns(UserWarning, match="48 values of .* stay float32"):
        fit(model(), ko.callbacks.QuantizationAware("int8", begin=1))


def test_a_model_of_nothing_else_tells_so():
    inputs = keras.Input((4,))
    alone = keras.Model(inputs, Experts(3, name="experts")(inputs))
    with pytest.raises(ValueError, match="nothing to prune.*such as 'experts/w'"):
        fit(alone, ko.callbacks.Pruning(0.5))
