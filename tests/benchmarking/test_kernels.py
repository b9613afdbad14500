"""`kernels`: works that kerasopt and its peers both do, their measurement and the report."""

import importlib.util
import json

import keras
import numpy as np
import pytest

from kerasopt.benchmarking import kernels
from kerasopt.benchmarking.kernels import (
    binary,
    dynamic_dense,
    half,
    matmul,
    networks,
    rounds,
    sparse,
    weight_formats,
)
from kerasopt.benchmarking.kernels.peers import openvino


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(rounds, "SECONDS", 0.0)


def small_network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(8, 3),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4),
        ]
    )


MATMUL = matmul.int8_matmul(2, 24, 40)
DYNAMIC = dynamic_dense.dynamic_dense(3, 64)
OF_FEW_BITS = [weight_formats.packed_dense(name, 64) for name in ("int4", "2:4")]
SPARSE_INT8 = sparse.sparse_int8(6, 40)
SPARSE_FLOAT32 = sparse.sparse_float32(6, 40)
BINARY = [binary.binary_dense(3, 40), binary.binary_conv(5, 8)]
HALF = [half.half_dense(3, 40), half.half_conv(5, 8)]
NETWORK = networks.network("small network", small_network)


def test_peers_compute_the_same_products():
    pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    work = MATMUL.prepare(1)
    ours = np.array(work.ours())
    assert ours.shape == (work.repetitions, 2, 40) and len(np.unique(ours)) > 10
    onnx = work.peers["onnxruntime QLinearMatMul"]()
    intel = list(work.peers["OpenVINO int8"]().values())
    for theirs in (onnx, intel):
        assert (np.abs((np.array(theirs) ^ 128).view("int8") - ours.astype(int)) <= 1).all()


def test_openvino_multiplies_bytes():
    pytest.importorskip("openvino")
    kernel = np.random.default_rng(0).integers(-127, 128, (64, 64)).astype("int8")
    model = openvino.compiled(matmul.openvino_model((8, 64, 64), kernel), 1).get_runtime_model()
    kinds = [operation.get_rt_info() for operation in model.get_ops()]
    products = [kind for kind in kinds if kind["layerType"].value in ("FullyConnected", "MatMul")]
    assert len(products) == matmul.PRODUCTS
    assert {kind["runtimePrecision"].value for kind in products} <= {"u8", "i8"}


def test_dynamic_layers_neither_overflow_nor_vanish(monkeypatch):
    pytest.importorskip("onnxruntime")
    work = DYNAMIC.prepare(1)
    assert 0.01 < np.abs(work.ours()).mean() < 100
    monkeypatch.setattr(dynamic_dense, "LAYERS", 1)
    work = DYNAMIC.prepare(1)
    (theirs,) = work.peers["onnxruntime MatMulInteger"]()
    np.testing.assert_allclose(work.ours(), theirs, atol=0.1)


@pytest.mark.parametrize("case", [*OF_FEW_BITS, SPARSE_INT8], ids=lambda case: case.name)
def test_other_weights_give_what_dense_int8_gives(case):
    work = case.prepare(1)
    ours, dense = np.array(work.ours()), np.array(work.peers["kerasopt int8 dense"]())
    assert len(ours) == work.repetitions and len(np.unique(ours)) > 2
    np.testing.assert_array_equal(ours, dense)


@pytest.mark.parametrize("case", [SPARSE_FLOAT32, *HALF], ids=lambda case: case.name)
def test_other_floats_give_what_tensorflow_gives(case):
    work = case.prepare(1)
    ours, theirs = np.array(work.ours()), np.array(work.peers["TensorFlow float32"]())
    assert np.abs(ours).mean() > 0.1
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("case", BINARY, ids=lambda case: case.name)
def test_binary_layers_sum_signs(case):
    work = case.prepare(1)
    ours, floats = np.array(work.ours()), np.array(work.peers["TensorFlow float32"]())
    assert ours.shape == floats.shape
    # The sums of whole numbers, of which each is as odd as their count.
    assert (ours == np.rint(ours)).all() and np.abs(ours).max() > 4


@pytest.mark.parametrize("case", [MATMUL, DYNAMIC, NETWORK], ids=lambda case: case.name)
def test_measures_ours_and_every_peer_that_is_installed(case):
    result = kernels.measure(case, threads=1, rounds=2)
    assert result.work == case.name
    assert list(result.seconds)[0] == "kerasopt"
    assert all(len(each) == 2 and min(each) > 0 for each in result.seconds.values())
    packages = {name.split()[0].lower() for name in result.seconds} & {"onnxruntime", "openvino"}
    expected = {MATMUL: {"onnxruntime", "openvino"}, DYNAMIC: {"onnxruntime"}}
    wanted = expected.get(case, {"openvino"})
    assert packages == {name for name in wanted if importlib.util.find_spec(name)}
    for name, ratio in result.ratios.items():
        pairs = zip(result.seconds[name], result.seconds["kerasopt"], strict=True)
        assert ratio == pytest.approx(np.median([theirs / ours for theirs, ours in pairs]))


def test_the_share_of_the_peak_is_of_products_alone():
    assert kernels.measure(DYNAMIC, threads=1, rounds=1).share_of_peak is None
    share = kernels.measure(MATMUL, threads=2, rounds=1).share_of_peak
    assert share is None or 0 < share < 1


def test_without_peers_ours_is_alone(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    kernels.bench([DYNAMIC], rounds=1)
    table = capsys.readouterr().out
    assert DYNAMIC.name in table and "onnxruntime Mat" not in table
    assert list(kernels.measure(NETWORK, 1, 1).ratios) == ["LiteRT int8", "Keras float32"]


def test_one_table_and_one_file(tmp_path, capsys):
    path = tmp_path / "figures.json"
    kernels.bench([MATMUL, DYNAMIC], rounds=2, path=path)
    table = capsys.readouterr().out
    found = json.loads(path.read_text())
    assert found["threads"] == 1 and found["rounds"] == 2 and "tensorflow" in found["versions"]
    assert [work["work"] for work in found["works"]] == [MATMUL.name, DYNAMIC.name]
    for work in found["works"]:
        assert work["work"] in table
        assert set(work["medians"]) == {"kerasopt", *work["ratios"]}
        assert all(peer in table for peer in work["ratios"])
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")
    failing = kernels.Case("failing", lambda threads: kernels.Work(lambda: 1 / 0, {}))
    with pytest.raises(ZeroDivisionError):
        kernels.bench([failing], rounds=1, path=path)
    assert path.read_text() == "old"


def test_cases_are_chosen_by_globs():
    names = [case.name for case in kernels.CASES]
    assert len(set(names)) == len(names)
    assert kernels.select(["*"]) == list(kernels.CASES)
    assert [case.name for case in kernels.select(["*ResNet50", "dynamic*1x*"])] == [
        "dynamic int8 dense 1x1024x1024",
        "int8 ResNet50",
    ]
    with pytest.raises(ValueError, match="int8 matmul 64x1024x1024.*Received: 'int7'"):
        kernels.select(["*", "int7"])
