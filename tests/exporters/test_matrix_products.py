"""Products of two activations in files."""

import keras
import numpy as np
import pytest
from lowering import test_dot_product_attention as steps
from lowering.attentions import ATTENTIONS, contracted, data

import kerasopt as ko

FORMATS = {"tflite": "litert", "onnx": "onnx"}
pytestmark = pytest.mark.filterwarnings("ignore:Parts of")


@pytest.fixture(scope="module", params=ATTENTIONS)
def case(request):
    keras.utils.set_random_seed(0)
    name, x = request.param, data(request.param)
    model = ko.quantize(ATTENTIONS[name](7), "int8", x, verbose=0)
    return name, x, ko.convert(model)


@pytest.mark.parametrize("ending", FORMATS)
def test_files_compute_the_integers_of_the_model(case, ending, tmp_path):
    _, x, integers = case
    ko.export(integers, tmp_path / f"model.{ending}", format=FORMATS[ending])
    report = ko.compare(integers, tmp_path / f"model.{ending}", x, isolated=True)
    compared = {row.name for row in report.tensors if row.steps is not None}
    assert {"top"} < compared
    for row in report.tensors:
        if row.name in compared:
            assert row.steps <= 1, report
            assert row.size * (1 - row.equal) <= max(1.5, row.size / 1000), report


@pytest.mark.parametrize("ending", FORMATS)
def test_one_factor_is_repeated_along_axes_of_the_other(ending, tmp_path):
    keras.utils.set_random_seed(0)
    model = contracted("bqhgd,bkhd->bhgqk", (None, 2, 3, 8), (None, 2, 8))
    generator = np.random.default_rng(0)
    x = [
        generator.normal(size=(8, *shape)).astype("float32") for shape in ((5, 2, 3, 8), (6, 2, 8))
    ]
    integers = ko.convert(ko.quantize(model, "int8", x, verbose=0))
    ko.export(integers, tmp_path / f"model.{ending}", format=FORMATS[ending])
    assert ko.compare(integers, tmp_path / f"model.{ending}", x).equal >= 0.999


@pytest.mark.parametrize("ending", FORMATS)
def test_the_steps_of_dot_product_attention(ending, tmp_path):
    keras.utils.set_random_seed(0)
    x = steps.data(True)
    integers = ko.convert(ko.quantize(steps.in_graph(True), "int8", x, verbose=0))
    ko.export(integers, tmp_path / f"model.{ending}", format=FORMATS[ending])
    assert ko.compare(integers, tmp_path / f"model.{ending}", x).equal >= 0.999


def test_products_are_integer_operators(case, tmp_path):
    import tensorflow as tf

    _, x, integers = case
    ko.export(integers, tmp_path / "model.tflite")
    interpreter = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    tensors = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    products = [op for op in interpreter._get_ops_details() if op["op_name"] == "BATCH_MATMUL"]
    assert len(products) == 2
    assert all(tensors[index] == np.int8 for op in products for index in op["inputs"])
