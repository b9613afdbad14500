"""Every kind of layer that has an integer form: equal on every path, and to fake quantization."""

import warnings

import keras
import numpy as np
import pytest
from lowering.cases import CASES, make
from lowering.parity import assert_parity
from lowering.trained import quantization_aware, randomize, run

import kerasopt as ko
from kerasopt.ops import native


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """Its name, inputs, a quantization-aware model and its integer form."""
    keras.utils.set_random_seed(0)
    model = randomize(make(request.param))
    x = np.random.default_rng(0).normal(size=(64, *model.input_shape[1:])).astype("float32")
    model = quantization_aware(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nothing stays float
        return request.param, x, model, ko.convert(model)


def test_computes_what_fake_quantization_does(case):
    name, x, model, integers = case
    if name != "own_gelu":  # what its activation receives is no tensor of the float model
        # The fewer products a sum has, the more its bias counts, which is rounded to an integer.
        assert_parity(model, integers, x, layers=CASES[name][2], share=0.998)
    error = np.abs(run(model, x) - run(integers, x)).max()
    assert error <= 0.02 * np.abs(run(model, x)).max()


def test_gives_the_same_bits_on_every_path(case, monkeypatch):
    import tensorflow as tf

    _, x, _, integers = case
    expected = run(integers, x)
    for native_or_reference in (native.library_for, lambda *tensors: None):
        monkeypatch.setattr(native, "library_for", native_or_reference)
        for jit_compile in (False, True):
            compiled = tf.function(integers, jit_compile=jit_compile)
            np.testing.assert_array_equal(compiled(x), expected)


def test_loads_equal_from_a_file(case, tmp_path):
    _, x, _, integers = case
    ko.save(integers, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(integers, x))
    assert [layer.get_config() for layer in loaded.layers] == [
        layer.get_config() for layer in integers.layers
    ]


# LiteRT's integer operators of these are no tables, and round twice.
ROUNDED = ("functions", "leaky_relu", "silu")


def test_runs_the_same_in_litert(case, tmp_path):
    name, x, _, integers = case
    ko.export(integers, tmp_path / "model.tflite")
    report = ko.compare(integers, tmp_path / "model.tflite", x, isolated=True)
    assert report.equal >= (0.97 if name in ROUNDED else 0.9999)
    assert all((row.steps or 0) <= 1 for row in report.tensors), report
