"""Functions of one tensor, and the constants beside it."""

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt import graph

CONSTANTS = {
    "int": 3,
    "float": 3.0,
    "float64": np.sqrt(9.0),
    "float32": np.float32(3),
    "int64": np.int64(3),
    "array": np.array(3.0, "float32"),
    "integers": np.array(3),
    "tensor": keras.ops.convert_to_tensor(3.0),
}
FUNCTIONS = {
    "x / c": lambda x, c: x / c,
    "divide(c, x)": lambda x, c: keras.ops.divide(c, x * x + 1),
    "x * c": lambda x, c: x * c,
    "x - c": lambda x, c: x - c,
    "subtract(c, x)": lambda x, c: keras.ops.subtract(c, x),
    "add(c, x)": lambda x, c: keras.ops.add(c, x),
}


def model(function, constant):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8,))
    x = keras.layers.Dense(8)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(function(x, constant)))


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_constant_of_any_kind_is_a_number(function, constant):
    nodes = list(graph.Graph.of(model(function, constant)))
    expected = list(graph.Graph.of(model(function, 3.0)))
    assert list(map(graph.is_elementwise, nodes)) == list(map(graph.is_elementwise, expected))


@pytest.mark.parametrize("constant", [np.ones(8, "float32"), keras.Variable(3.0), None, "3"])
def test_what_is_no_number_is_none(constant):
    assert graph.as_number(constant) is None


@pytest.mark.parametrize("constant", ["float64", "int64", "tensor"])
@pytest.mark.parametrize("function", ["x / c", "subtract(c, x)"])
def test_models_with_constants_are_quantized_and_converted(function, constant):
    x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
    plain, other = (model(FUNCTIONS[function], CONSTANTS[each]) for each in ("float", constant))
    found = [ko.quantize(each, "int8", x, verbose=0) for each in (plain, other)]
    expected, outputs = (each.predict(x, verbose=0) for each in found)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    integers = ko.convert(found[1], "int8")
    assert "QuantizedActivation" in {type(layer).__name__ for layer in integers.layers}
    np.testing.assert_allclose(integers.predict(x, verbose=0), outputs, atol=2e-2)


def test_a_scalar_is_not_rounded_with_the_tensor_beside_it():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(8, 4)(inputs) * keras.ops.convert_to_tensor(200.5)
    network = keras.Model(inputs, keras.layers.Dense(2)(x))
    tokens = np.arange(8).reshape(2, 4)
    expected = network.predict(tokens, verbose=0)
    for spec in ("int8", "int8_dynamic"):
        outputs = ko.quantize(network, spec, tokens, verbose=0).predict(tokens, verbose=0)
        np.testing.assert_allclose(outputs, expected, atol=0.03 * np.abs(expected).max())
