import math

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.quantization import Format, Spec, measure

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")


def quantized(spec="int8", **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu", name="a"),
            keras.layers.Dense(3, name="b"),
        ]
    )
    return model, ko.quantize(model, spec, X, verbose=0, **arguments)


def test_weights_and_activations_are_measured():
    model, made = quantized()
    found = measure(made, X)
    assert list(found) == ["a/input", "a/kernel", "a/output", "b/kernel", "b/output"]
    kernel, rounded = model.layers[0].kernel.numpy(), made.layers[0].kernel.numpy()
    expected = 10 * np.log10((kernel**2).sum() / ((kernel - rounded) ** 2).sum())
    assert found["a/kernel"].sqnr == pytest.approx(expected, rel=1e-4)
    assert found["a/input"].minimum == X.min() and found["a/input"].maximum == X.max()
    assert 30 < found["a/input"].sqnr < 60
    assert all(each.clipped == 0 and each.bits == 8 for each in found.values())
    assert list(measure(made)) == ["a/kernel", "b/kernel"]


def test_what_is_outside_of_the_range_is_clipped():
    _, made = quantized(observer=ko.quantization.Percentile(90.0))
    clipped = measure(made, X)["a/input"].clipped
    assert clipped == pytest.approx(0.2, abs=0.02)
    assert measure(made, X)["a/output"].clipped == pytest.approx(0.1, abs=0.05)


def test_more_bits_have_less_noise():
    levels = [
        measure(quantized(Spec(Format(bits, symmetric=True)))[1])["a/kernel"].sqnr
        for bits in (2, 4, 6, 8)
    ]
    assert levels == sorted(levels)
    assert levels[3] - levels[2] == pytest.approx(12, abs=1.5)  # 6 dB a bit


def test_what_is_not_changed_has_no_noise():
    model, _ = quantized()
    model.layers[0].kernel.assign(np.ones((8, 16)))
    made = ko.quantize(model, "float16", verbose=0)
    assert measure(made)["a/kernel"].sqnr == math.inf


def test_measuring_changes_nothing():
    _, made = quantized()
    before = [variable.numpy() for variable in made.variables]
    measure(made, X)
    for old, new in zip(before, made.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def test_it_is_printed_as_a_table():
    _, made = quantized()
    lines = str(measure(made, X)).splitlines()
    assert lines[0].startswith("| Tensor ") and "SQNR (dB)" in lines[0] and len(lines) == 7


def test_the_summary_shows_it():
    model, made = quantized()
    rows = str(ko.summary(made, print_fn=lambda text: None)).splitlines()
    assert rows[2].endswith("| SQNR (dB) |")
    assert float(rows[4].split("|")[-2]) == pytest.approx(measure(made)["a/kernel"].sqnr, abs=0.06)
    assert "SQNR" not in str(ko.summary(model, print_fn=lambda text: None))


def test_the_summary_has_activations_where_there_is_data():
    model, made = quantized()
    report = ko.summary(made, print_fn=lambda text: None, data=X)
    assert report.rounding == measure(made, X)
    assert str(report).endswith(str(measure(made, X)))
    assert str(ko.summary(model, print_fn=lambda text: None, data=X)).count("| Layer") == 1


def test_the_scale_is_that_of_the_quantizer():
    _, made = quantized()
    found, layer = measure(made, X), made.layers[0]
    assert found["a/output"].scale == layer.parametrizations["output"][0].scale
    assert found["a/kernel"].scale == pytest.approx(np.abs(layer.kernel.numpy()).max() / 127)
