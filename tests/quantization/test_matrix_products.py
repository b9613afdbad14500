"""Quantizers in products of two activations."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from lowering.attentions import ATTENTIONS, data

import kerasopt as ko
from kerasopt.quantization import MASKED, find_sites, float_parts, make_recipe


def sites(model, spec="int8"):
    """Returns, for each path and slot, the quantizer."""
    return {(path, slot): link for path, _, slot, link in find_sites(model, make_recipe(spec), [])}


def product(first=lambda x: x, second=lambda x: x):
    inputs = keras.Input((5, 4))
    x, y = (layers.Dense(4, name=name)(inputs) for name in ("x", "y"))
    found = layers.Dot((2, 2), name="dot")([first(x), second(y)])
    return keras.Model(inputs, layers.Dense(2, name="top")(found))


def test_factors_that_are_integers_have_no_quantizers_of_their_own():
    found = sites(product())
    assert {slot for path, slot in found if path == "dot"} == {"output"}
    assert ("top", "input") not in found


def test_the_second_factor_has_zero_point_0():
    found = sites(product(second=lambda y: layers.Permute((1, 2))(layers.ReLU(name="relu")(y))))
    symmetric = {path for (path, slot), link in found.items() if link.format.symmetric}
    assert symmetric - {"x", "y", "top"} == {"relu"}  # those have symmetric kernels
    assert not found["x", "output"].format.symmetric


def test_each_float_factor_has_a_range_of_its_own():
    found = sites(product(layers.PReLU(), lambda y: ops.cumsum(y, 1)))
    assert {slot for path, slot in found if path == "dot"} == {
        "first_input",
        "second_input",
        "output",
    }
    assert found["dot", "second_input"].format.symmetric
    assert not found["dot", "first_input"].format.symmetric


def test_each_factor_is_rounded_by_its_own_quantizer():
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, layers.Dot((2, 2), name="dot")([inputs, 100.0 * inputs]))
    x = np.random.default_rng(0).normal(size=(8, 3, 2)).astype("float32")
    quantized = ko.quantize(model, "int8", x, verbose=0)
    scales = {
        slot: float(link.scale)
        for _, _, slot, link in ko.parametrization.links_of_model(quantized)
        if slot != "output"
    }
    assert scales["second_input"] > 20 * scales["first_input"]
    np.testing.assert_allclose(quantized(x), model(x), atol=0.02 * np.abs(model(x)).max())


@pytest.mark.parametrize("spec", ["int8_dynamic", "int8_weight_only", "float16", "binary"])
def test_without_one_scale_for_integers_products_stay_float(spec):
    assert not [slot for path, slot in sites(product(), spec) if path == "dot"]


def test_a_product_of_masks_is_a_mask():
    ids = keras.Input((5,), dtype="int32")
    seen = ops.cast(ops.not_equal(ids, 0), "float32")[:, :, None]
    both = ops.matmul(seen, ops.transpose(seen, (0, 2, 1)))
    model = keras.Model(ids, layers.Dense(2, name="top")(both))
    assert {path for path, _ in sites(model)} == {"top"}


@pytest.mark.parametrize("name", ATTENTIONS)
def test_in_an_attention_only_what_has_a_mask_stays_float(name):
    quantized = ko.quantize(ATTENTIONS[name](), "int8", data(name), verbose=0)
    found = float_parts(quantized)
    # What makes the mask comes before it.
    found = {path: reason for path, reason in found.items() if "subtract" not in path}
    assert set(found.values()) <= {MASKED} and bool(found) == (name == "masked")


@pytest.mark.parametrize("name", ATTENTIONS)
def test_an_attention_trains(name):
    x = data(name)
    model = ATTENTIONS[name]()
    model.compile("sgd", "mse")
    y = np.zeros(model(x).shape, "float32")
    callback = ko.callbacks.QuantizationAware("int8", begin=1)
    model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[callback])
    links = [link for *_, link in ko.parametrization.links_of_model(model)]
    assert all(link.is_enabled for link in links)
    assert np.isfinite(model.evaluate(x, y, verbose=0))


def test_a_softmax_with_a_mask_has_a_mask_among_its_values():
    inputs, mask = keras.Input((5, 4)), keras.Input((5,), dtype="bool")
    x, y = (layers.Dense(4)(inputs) for _ in range(2))
    scores = ops.matmul(x, ops.transpose(y, (0, 2, 1)))
    weights = layers.Softmax(axis=(2,), name="softmax")(scores, mask[:, None])
    model = keras.Model([inputs, mask], layers.Dot((2, 1), name="dot")([weights, y]))
    (quantizer,) = [link for place, link in sites(model).items() if place == ("dot", "first_input")]
    assert (quantizer.observer.low, quantizer.observer.high) == (0.0, 1.0)
    data = [np.ones((2, 5, 4), "float32"), np.ones((2, 5), "bool")]
    assert float_parts(ko.quantize(model, "int8", data, verbose=0)) == {"softmax": MASKED}


def test_what_follows_a_normalization_without_an_integer_form_reads_integers():
    inputs = keras.Input((5, 8))
    x = layers.RMSNormalization(name="norm")(layers.Dense(8, name="before")(inputs))
    model = keras.Model(inputs, layers.Dense(2, name="after")(x))
    found = sites(model)
    assert {("before", "output"), ("after", "input"), ("after", "output")} <= set(found)
    assert not [slot for path, slot in found if path == "norm"]
    quantized = ko.quantize(model, "int8", np.ones((2, 5, 8), "float32"), verbose=0)
    assert float_parts(quantized) == {"norm": "RMSNormalization has no integer form"}
