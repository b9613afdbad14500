import keras
import numpy as np
import pytest
from parametrization.links import CASES, Scaled, Shifted, built, call, follow

import kerasopt as ko
from kerasopt.quantization import ActivationQuantizer, WeightQuantizer
from kerasopt.sparsity import Mask


@pytest.mark.parametrize("case", CASES)
def test_a_layer_reads_its_weight_through_the_link(case):
    layer, x, path = built(case)
    inner, name = follow(layer, path)
    plain, before = call(layer, x), getattr(inner, name).numpy()
    assert ko.parametrize(layer, path, Scaled(2.0)) is layer
    np.testing.assert_array_equal(getattr(inner, name).numpy(), 2 * before)
    parametrized = call(layer, x)
    assert not np.allclose(parametrized, plain)
    # A plain layer with the doubled weight computes the same.
    ko.unparametrize(layer, path)
    getattr(inner, name).assign(2 * before)
    np.testing.assert_array_equal(call(layer, x), parametrized)


@pytest.mark.parametrize("case", ["Dense", "Separable-depthwise", "LSTM", "MultiHeadAttention"])
def test_detaching_gives_everything_back(case):
    layer, x, path = built(case)
    inner, name = follow(layer, path)
    plain, classes = call(layer, x), [type(each) for each in layer._flatten_layers()]
    weights = [weight.path for weight in layer.weights]
    ko.parametrize(layer, path, Scaled())
    ko.parametrize(layer, path, Shifted())
    assert isinstance(inner, classes[layer._flatten_layers().index(inner)])
    ko.unparametrize(layer, path)
    assert [type(each) for each in layer._flatten_layers()] == classes
    assert [weight.path for weight in layer.weights] == weights
    assert type(getattr(inner, name)) is type(layer.weights[0])
    np.testing.assert_array_equal(call(layer, x), plain)


def test_one_of_several_links_is_taken_off():
    layer, x, path = built("Dense")
    kernel, scaled = layer.kernel.numpy(), Scaled()
    ko.parametrize(layer, path, scaled)
    ko.parametrize(layer, path, Shifted())
    ko.unparametrize(layer, path, scaled)
    assert [type(link) for link in layer.parametrizations["kernel"]] == [Shifted]
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel + 1)
    assert len(layer.weights) == 2


def test_weights_input_and_output_of_one_layer():
    layer, x, _ = built("Dense")
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    for slot, link in {"output": Scaled(5.0), "kernel": Scaled(3.0), "input": Shifted()}.items():
        ko.parametrize(layer, slot, link)
    assert set(layer.parametrizations) == {"input", "kernel", "output"}
    expected = 5 * ((x + 1) @ (3 * kernel) + bias)
    np.testing.assert_allclose(call(layer, x), expected, rtol=1e-5)
    np.testing.assert_array_equal(call(layer, x=x), keras.ops.convert_to_numpy(layer(inputs=x)))
    ko.unparametrize(layer, "kernel")
    assert set(layer.parametrizations) == {"input", "output"}
    np.testing.assert_allclose(call(layer, x), 5 * ((x + 1) @ kernel + bias), rtol=1e-5)


def test_all_tensors_of_an_input_are_read_through_it():
    layer = keras.layers.Add()
    x = np.ones((2, 3), "float32")
    layer([x, x])
    ko.parametrize(layer, "input", Scaled(3.0))
    np.testing.assert_array_equal(layer([x, x]), np.full((2, 3), 6.0))


def test_the_order_of_attaching_changes_nothing():
    def attached(order):
        layer, x, _ = built("Dense")
        links = {
            "kernel mask": Mask(),
            "kernel scale": Scaled(0.5),
            "kernel codes": WeightQuantizer(),
            "output": ActivationQuantizer(),
            "input": ActivationQuantizer(),
        }
        for key in order(list(links)):
            ko.parametrize(layer, key.split()[0], links[key])
        links["kernel mask"].mask.assign(np.arange(12).reshape(4, 3) % 2 == 0)
        layer(x, training=True)
        return layer, x

    (first, x), (second, _) = attached(list), attached(reversed)
    kinds = [type(link) for link in second.parametrizations["kernel"]]
    assert kinds == [Scaled, Mask, WeightQuantizer]
    np.testing.assert_array_equal(call(first, x), call(second, x))
    # By order alone are weights copied from model to model.
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (second.kernel.numpy().ravel()[1::2] == 0).all()


def test_gradients_reach_what_is_stored():
    top = keras.layers.Dense(1, use_bias=False, name="top")
    model = keras.Sequential([keras.Input((4,)), top])
    ko.parametrize(model, "top/kernel", Scaled(3.0))
    model.compile(keras.optimizers.SGD(1.0), lambda y, y_pred: keras.ops.mean(y_pred))
    before = top.kernel.stored.numpy()
    model.fit(np.ones((1, 4)), np.ones((1, 1)), verbose=0)
    np.testing.assert_allclose(top.kernel.stored.numpy(), before - 3.0, rtol=1e-6)


def test_a_path_leads_through_models_attributes_lists_and_dicts():
    class Block(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = {"main": [keras.layers.Dense(4)]}

        def call(self, x):
            return self.parts["main"][0](x)

    inner = keras.Sequential([keras.Input((4,)), Block()], name="inner")
    inner.layers[0].name = "block"
    inputs = keras.Input((4,))
    model = keras.Model(inputs, inner(inputs))
    dense = inner.layers[0].parts["main"][0]
    kernel = dense.kernel.numpy()
    ko.parametrize(model, "inner/block/parts/main/0/kernel", Scaled(2.0))
    np.testing.assert_array_equal(dense.kernel.numpy(), 2 * kernel)


@pytest.mark.parametrize(
    "path, message",
    [
        ("kernels", "has no weight 'kernels'.*Received: weight='kernels'"),
        ("activation", "has no weight 'activation' that is a variable"),
        ("cell/kernel", "no layer at 'cell'.*Received: weight='cell/kernel'"),
        ("kernel/kernel", "no layer at .* in"),
    ],
)
def test_a_weight_that_is_not_there_raises(path, message):
    layer, x, _ = built("Dense")
    before = call(layer, x)
    with pytest.raises(ValueError, match=message):
        ko.parametrize(layer, path, Scaled())
    assert type(layer) is keras.layers.Dense
    np.testing.assert_array_equal(call(layer, x), before)


def test_a_layer_without_weights_yet_raises():
    with pytest.raises(ValueError, match="Build it, or call the model on data.*weight='kernel'"):
        ko.parametrize(keras.layers.Dense(3), "kernel", Scaled())


def test_the_same_kind_twice_raises_and_changes_nothing():
    layer, x, path = built("Dense")
    ko.parametrize(layer, path, Scaled())
    before = call(layer, x)
    with pytest.raises(ValueError, match=r"already parametrized by a Scaled.*unparametrize"):
        ko.parametrize(layer, path, Scaled(7.0))
    np.testing.assert_array_equal(call(layer, x), before)


def test_other_kinds_of_arguments_raise():
    layer, _, path = built("Dense")
    with pytest.raises(TypeError, match="`layer` must be a Keras layer. Received: layer=3"):
        ko.parametrize(3, path, Scaled())
    with pytest.raises(TypeError, match="`parametrization` must be an instance"):
        ko.parametrize(layer, path, lambda x: x)
    with pytest.raises(ValueError, match="has no parametrization there. Received: weight='kernel'"):
        ko.unparametrize(layer, path)


def test_torch_raises_one_clear_error(monkeypatch):
    layer, _, path = built("Dense")
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match="TensorFlow and JAX.*Received: KERAS_BACKEND=torch"):
        ko.parametrize(layer, path, Scaled())
