import itertools

import keras
import keras_hub
import numpy as np
import pytest
from techniques import models
from techniques.training import predict

import kerasopt as ko
from kerasopt.quantization import WidthSensitivity, width_sensitivity

ANALYSIS = WidthSensitivity(
    errors={
        "a": {2: 0.5, 4: 0.1, 8: 0.001},
        "b": {2: 0.05, 4: 0.02, 8: 0.0},
        "c": {2: 3.0, 4: 0.4, 8: 0.002},
    },
    sizes={"a": 100, "b": 800, "c": 50},
    macs={"a": 1000, "b": 800, "c": 5000},
)
LATENCIES = {path: {2: 1.0, 4: 1.5, 8: 2.5} for path in "abc"}


def make(name="convolutional"):
    keras.utils.set_random_seed(0)
    return getattr(models, name)()


def by_hand(budget, cost):
    """Tries all widths; returns the smallest error within the budget."""
    return min(
        sum(ANALYSIS.errors[path][bits] for path, bits in zip("abc", chosen, strict=True))
        for chosen in itertools.product((2, 4, 8), repeat=3)
        if sum(cost(path, bits) for path, bits in zip("abc", chosen, strict=True)) <= budget
    )


@pytest.mark.parametrize("budget", [250, 300, 330, 400, 700, 2000])
def test_the_best_widths_under_a_size(budget):
    widths = ANALYSIS.assign(budget)
    assert widths.cost <= budget
    assert widths.error == pytest.approx(by_hand(budget, lambda p, b: ANALYSIS.sizes[p] * b / 8))


@pytest.mark.parametrize("budget", [13_600, 20_000, 30_000])
def test_the_best_widths_under_mac_bits(budget):
    widths = ANALYSIS.assign(budget, "mac_bits")
    assert widths.error == pytest.approx(by_hand(budget, lambda p, b: ANALYSIS.macs[p] * b))


@pytest.mark.parametrize("budget", [3.0, 4.1, 5.5])
def test_the_best_widths_under_a_cost_of_ones_own(budget):
    widths = ANALYSIS.assign(budget, LATENCIES)
    assert widths.error == pytest.approx(by_hand(budget, lambda p, b: LATENCIES[p][b]))


def test_the_front_falls_from_the_fewest_bits_to_the_most():
    front = ANALYSIS.front()
    costs, errors = [each.cost for each in front], [each.error for each in front]
    assert costs == sorted(costs) and errors == sorted(errors, reverse=True) and len(front) > 3
    assert front[0].cost == 237.5 and front[-1].error == pytest.approx(0.003)
    assert [each.cost for each in ANALYSIS.uniform()] == [237.5, 475, 950]


@pytest.mark.parametrize("name", ["convolutional", "recurrent", "subclassed"])
def test_layers_are_measured_one_by_one(name):
    model = make(name)
    before = predict(model)
    analysis = width_sensitivity(model, models.data(model)[0], widths=(2, 8), verbose=0)
    np.testing.assert_array_equal(predict(model), before)
    assert len(analysis.errors) >= 2
    for errors in analysis.errors.values():
        assert 0 <= errors[8] < errors[2]
    # Alone, a layer changes the outputs by what was measured.
    path, errors = next(iter(analysis.errors.items()))
    layer = dict(ko.graph.layers(model))[path]
    assert analysis.sizes[path] == sum(
        np.prod(getattr(layer, name).shape) for name in ko.graph.kernel_names(layer)
    )


def test_layers_inside_a_transformer_of_any_length():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 8))
    encoded = keras_hub.layers.TransformerEncoder(12, 2, name="encoder")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="dense")(encoded))
    x = np.random.default_rng(0).normal(size=(6, 5, 8))
    analysis = width_sensitivity(model, x, widths=(2, 8), verbose=0)
    assert set(analysis.errors) == set(analysis.macs) and len(analysis.errors) == 7
    # Lengths are those of the data.
    assert analysis.macs["encoder/_feedforward_intermediate_dense"] == 5 * 8 * 12
    rules = analysis.assign(analysis.uniform("mac_bits")[0].cost * 2, "mac_bits").rules()
    quantized = ko.quantize(model, "int8", x, rules=rules, verbose=0)
    widths = {path: spec.weights.bits for path, spec in rules}
    assert set(widths.values()) == {2, 8}
    for path, layer in ko.graph.layers(quantized):
        if ko.graph.kernel_names(layer):
            assert layer.parametrizations["kernel"][-1].bits == widths[path]


def test_an_error_is_that_of_the_quantized_layer():
    model = make()
    x = models.data(model)[0]
    analysis = width_sensitivity(model, x, widths=(3,), verbose=0)
    spec = ko.quantization.Spec(ko.quantization.Format(3, symmetric=True), None)
    quantized = ko.quantize(model, rules=[("depthwise", spec), ("*", None)], verbose=0)
    expected = predict(model)
    error = np.mean((predict(quantized) - expected) ** 2) / np.var(expected)
    assert analysis.errors["depthwise"][3] == pytest.approx(error, rel=1e-3)


def test_rules_of_the_widths_are_those_of_the_callback():
    model = make()
    x = models.data(model)[0]
    analysis = width_sensitivity(model, x, widths=(2, 4, 8), verbose=0)
    size = sum(analysis.sizes.values())
    widths = analysis.assign(size * 5 / 8)
    assert len(set(widths.bits.values())) > 1
    quantized = ko.quantize(model, "int8", x, rules=widths.rules(), verbose=0)
    for path, layer in ko.graph.layers(quantized):
        for name in ko.graph.kernel_names(layer):
            assert layer.parametrizations[name][-1].bits == widths.bits[path]


def test_rules_leave_layers_out():
    model = make()
    x = models.data(model)[0]
    analysis = width_sensitivity(model, x, (4,), [("conv", True), ("*", False)], verbose=0)
    assert list(analysis.errors) == ["conv"]


def test_it_is_printed_and_drawn(tmp_path):
    lines = str(ANALYSIS).splitlines()
    assert lines[0] == "| Layer | Weights |   2 bits |   4 bits |   8 bits |" and len(lines) == 5
    axes = ANALYSIS.plot(tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 1000
    assert axes.get_xlabel() == "weights (kB)"
    assert ANALYSIS.plot(cost=LATENCIES).get_xlabel() == "cost"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((200,), r"The smallest widths cost 237.5, .* Received: budget=200"),
        ((float("nan"),), "Received: budget=nan"),
        ((500, "latency"), "Received: cost='latency'"),
        ((500, {"a": {2: 1.0}}), "every layer and width .* Received: none for 4"),
    ],
)
def test_budgets_that_cannot_be_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        ANALYSIS.assign(*arguments)


def test_unknown_operations_raise():
    analysis = WidthSensitivity(ANALYSIS.errors, ANALYSIS.sizes, {"a": 1})
    with pytest.raises(ValueError, match=r"unknown.*layers=\['b', 'c'\]"):
        analysis.assign(500, "mac_bits")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"widths": (17,)}, "Received: bits=17"),
        ({"widths": ()}, r"Received: widths=\[\]"),
        ({"rules": [("*", False)]}, "nothing to measure"),
    ],
)
def test_bad_arguments_raise(arguments, message):
    model = make()
    with pytest.raises(ValueError, match=message):
        width_sensitivity(model, models.data(model)[0], verbose=0, **arguments)


def test_outputs_that_are_all_the_same_raise():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    with pytest.raises(ValueError, match="Pass other data. Received: a variance of 0"):
        width_sensitivity(model, np.ones((4, 3)), verbose=0)
