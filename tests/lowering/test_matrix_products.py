"""Attention written with `keras.ops` as products of integers."""

import keras
import numpy as np
import pytest
from lowering.attentions import ATTENTIONS, contracted, data
from lowering.parity import assert_parity
from lowering.trained import quantization_aware, run

import kerasopt as ko
from kerasopt.inference.integer.batch_matmul import QuantizedBatchMatMul

# How many tensors of integers a comparison with the simulated model shows.
TENSORS = {"heads_last": 9, "masked": 17, "grouped": 15, "crossed": 7}


@pytest.fixture(scope="module", params=ATTENTIONS)
def case(request):
    """Its name, inputs, a quantized model and its integer form."""
    keras.utils.set_random_seed(0)
    name, x = request.param, data(request.param)
    model = ko.quantize(ATTENTIONS[name](), "int8", x, verbose=0)
    return name, x, model, ko.convert(model)


def cosine(a, b):
    a, b = np.ravel(a), np.ravel(b)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.filterwarnings("ignore:Parts of")
def test_computes_what_the_simulated_model_does(case):
    name, x, model, integers = case
    products = [layer for layer in integers.layers if isinstance(layer, QuantizedBatchMatMul)]
    assert len(products) == 2
    assert_parity(model, integers, x, layers=TENSORS[name])
    assert cosine(run(model, x), run(integers, x)) >= 0.9999


@pytest.mark.parametrize("count, length", [(3, 7), (2, 19)])
def test_takes_sequences_of_any_length(case, count, length):
    name, _, model, integers = case
    x = data(name, count, length, seed=1)
    assert cosine(run(model, x), run(integers, x)) >= 0.9999


def test_loads_equal_from_a_file(case, tmp_path):
    _, x, _, integers = case
    ko.save(integers, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(integers, x))


def test_quantized_models_load_equal_from_a_file(case, tmp_path):
    _, x, model, _ = case
    ko.save(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(loaded, x), run(model, x))


@pytest.mark.filterwarnings("ignore:Parts of")
@pytest.mark.parametrize("name", ATTENTIONS)
def test_trained_models_compute_the_same(name):
    keras.utils.set_random_seed(0)
    x, model = data(name), ATTENTIONS[name]()
    model.compile("sgd", "mse")
    y = np.zeros(model(x).shape, "float32")
    callback = ko.callbacks.QuantizationAware("int8", begin=1)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[callback])
    integers = ko.convert(model)
    # Biases, which training has moved, are rounded to integers.
    assert_parity(model, integers, x, layers=TENSORS[name], share=0.995)
    assert cosine(run(model, x), run(integers, x)) >= 0.9999


@pytest.mark.filterwarnings("error:Parts of")
@pytest.mark.parametrize(
    "subscripts, shapes",
    [
        ("bqhgd,bkhd->bhgqk", ((None, 2, 3, 8), (None, 2, 8))),
        ("bhgqk,bkhd->bqhgd", ((2, 3, 5, 6), (6, 2, 8))),
        ("bhgqk,bkhd->bqhgd", ((2, 3, None, 6), (6, 2, 8))),
        ("bqhd,bkhd->bqk", ((5, 2, 8), (6, 2, 8))),
        ("bqd,bd->bq", ((None, 8), (8,))),
        ("bd,bkd->bk", ((8,), (6, 8))),
        ("...dq,...kd->...kq", ((2, 8, 5), (2, 6, 8))),
    ],
)
def test_einsums_of_other_forms(subscripts, shapes):
    keras.utils.set_random_seed(0)
    model = contracted(subscripts, *shapes)
    generator = np.random.default_rng(0)
    x = [
        generator.normal(size=(64, *(size or length for size in shape))).astype("float32")
        for shape, length in zip(shapes, (5, 6), strict=False)
    ]
    model = quantization_aware(model, x)
    integers = ko.convert(model)
    assert_parity(model, integers, x, layers=3)


def test_a_product_with_unknown_sizes_to_merge_stays_float():
    model = contracted("bqhd,bkhd->bqk", (5, None, 8), (6, None, 8))
    x = [np.ones((2, 5, 3, 8), "float32"), np.ones((2, 6, 3, 8), "float32")]
    model = quantization_aware(model, x)
    assert np.allclose(run(ko.convert(model), x), run(model, x), rtol=1e-4)
