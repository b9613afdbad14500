"""Products with weights in the code of layers, that are no kernels, as integers."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from lowering.parity import assert_parity
from lowering.trained import run

import kerasopt as ko
from kerasopt.inference.integer.dense import QuantizedDense


class Experts(layers.Layer):
    """Gated experts that all see all tokens, as keras-hub's mixtures have them."""

    def build(self, shape):
        self.gates = self.add_weight(shape=(3, 8, 6), name="gates")
        self.up = self.add_weight(shape=(3, 8, 6), name="up")
        self.down = self.add_weight(shape=(3, 6, 8), name="down")
        self.built = True

    def call(self, x):
        tokens = ops.reshape(x, (-1, 8))
        gate = ops.relu(ops.einsum("th,ehm->etm", tokens, self.gates))
        up = ops.matmul(tokens[None], self.up)
        down = ops.einsum("etm,emh->eth", gate * up, self.down)
        return ops.reshape(ops.mean(down, axis=0), ops.shape(x))


class Heads(layers.Layer):
    """One projection to several axes, with the weight on the left."""

    def build(self, shape):
        self.w = self.add_weight(shape=(2, 3, 8), name="w")
        self.built = True

    def call(self, x):
        batch, length, _ = ops.shape(x)
        heads = ops.einsum("nhd,btd->btnh", self.w, x)
        return ops.reshape(heads, (batch, length, 6))


def model_of(*parts):
    inputs = keras.Input((None, 8))
    x = layers.Dense(8)(inputs)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, layers.Dense(4)(x))


def data(count=16, length=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, length, 8)).astype("float32")


@pytest.fixture(scope="module", params=[Experts, Heads])
def case(request):
    """A quantized model and its integer form."""
    keras.utils.set_random_seed(0)
    quantized = ko.quantize(model_of(request.param(name="part")), "int8", data(), verbose=0)
    return quantized, ko.convert(quantized)


@pytest.mark.filterwarnings("error:.*not called `kernel`")
@pytest.mark.filterwarnings("ignore:Parts of")
def test_products_are_integers(case):
    quantized, integers = case
    found = [x.name for x in integers.layers if isinstance(x, QuantizedDense) and "part" in x.name]
    assert len(found) == (5 if "gates" in vars(quantized.get_layer("part")) else 1), found
    assert ko.summary(integers, print_fn=len, data=data()).integer_share == 1.0
    for count, length in ((16, 5), (3, 2)):
        x = data(count, length, seed=1)
        expected = run(quantized, x)
        assert np.abs(run(integers, x) - expected).max() < 0.03 * np.abs(expected).max()


def test_each_channel_of_each_expert_has_a_scale(case):
    quantized, integers = case
    part = quantized.get_layer("part")
    for name in ("gates", "down", "w"):
        if name in vars(part):
            scales = ops.max(ops.abs(vars(part)[name]), axis=2 if name == "w" else 1) / 127
            kept = part.parametrizations[name][0].codes(vars(part)[name])[1]
            np.testing.assert_allclose(ops.ravel(kept), ops.ravel(scales), rtol=1e-6)


def test_files(case, tmp_path):
    quantized, integers = case
    custom = {"Experts": Experts, "Heads": Heads}
    for model in (quantized, integers):
        ko.save(model, tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects=custom)
        np.testing.assert_array_equal(run(loaded, data()), run(model, data()))


def test_training_rounds_what_is_converted():
    keras.utils.set_random_seed(0)
    model = model_of(Experts(name="part"))
    model.compile("sgd", "mse")
    y, before = np.zeros((16, 5, 4), "float32"), model.get_layer("part").gates.numpy()
    callback = ko.callbacks.QuantizationAware("int8", begin=1)
    model.fit(data(), y, batch_size=8, epochs=3, verbose=0, callbacks=[callback])
    assert (model.get_layer("part").gates.stored.numpy() != before).any()
    assert_parity(model, ko.convert(model), data(), layers=8)


@pytest.mark.parametrize("spec", ["int8_weight_only", "int8_dynamic"])
def test_weights_alone(spec):
    keras.utils.set_random_seed(0)
    model = model_of(Experts(name="part"))
    quantized = ko.quantize(model, spec, verbose=0)
    assert len(np.unique(quantized.get_layer("part").gates.numpy()[0, :, 0] * 127)) <= 8
    assert (quantized.get_layer("part").gates.numpy() != model.get_layer("part").gates).any()
    expected = run(quantized, data())
    np.testing.assert_allclose(run(ko.convert(quantized, spec), data()), expected, atol=1e-4)


def test_a_rule_leaves_them_float():
    model = model_of(Experts(name="part"))
    quantized = ko.quantize(model, "int8", data(), rules=[("part", None)], verbose=0)
    np.testing.assert_array_equal(quantized.get_layer("part").gates, model.get_layer("part").gates)
