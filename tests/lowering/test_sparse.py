"""`convert(model, "sparse")`: the faster of two layers, the same values."""

import keras
import numpy as np
import pytest
from lowering.trained import images, quantization_aware, run

import kerasopt as ko
from kerasopt.inference.integer.convolutions import QuantizedConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.sparse import SparseConv2D, SparseDense
from kerasopt.lowering import sparse as sparse_module
from kerasopt.parametrization import parametrize
from kerasopt.sparsity import Mask

layers = keras.layers


@pytest.fixture(autouse=True)
def sparse_wins(monkeypatch):
    """What is measured must not decide what a test sees."""
    monkeypatch.setattr(sparse_module, "_seconds", lambda layers, *_: [2e-5, 1e-5])


def pruned(rows=1, kept=0.1, **conv):
    """A model whose kernels have zeros in blocks of `rows` inputs."""
    x = keras.Input((8, 8, 12), name="image")
    y = layers.Conv2D(24, 1, activation="relu", name="narrow", **conv)(x)
    y = layers.Conv2D(16, 3, use_bias=False, name="window")(y)
    y = layers.GlobalAveragePooling2D(name="pool")(y)
    model = keras.Model(x, layers.Dense(10, name="logits")(y))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            matrix = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
            mask = rng.random((-(-len(matrix) // rows), matrix.shape[1])) < kept
            matrix = matrix * mask.repeat(rows, 0)[: len(matrix)]
            layer.kernel.assign(matrix.reshape(layer.kernel.shape))
    return model


def classes(model):
    kernels = [each for each in model.layers if hasattr(each, "kernel") or hasattr(each, "packed")]
    return {layer.name: type(layer) for layer in kernels}


def test_float_model():
    model, x = pruned(), images(channels=12, size=8)
    sparse = ko.convert(model, "sparse")
    assert classes(sparse) == {
        "narrow": SparseConv2D,
        "window": layers.Conv2D,
        "logits": SparseDense,
    }
    np.testing.assert_allclose(run(sparse, x), run(model, x), rtol=1e-4, atol=1e-5)


def test_layers_with_several_inputs_stay():
    x = keras.Input((16,))
    y = layers.Dense(16, name="narrow")(x)
    model = keras.Model(x, layers.Dense(10, name="logits")(layers.Add()([x, y])))
    for name in ("narrow", "logits"):
        kernel = model.get_layer(name).kernel
        kernel.assign(kernel.numpy() * (np.arange(16) % 8 == 0)[:, None])
    sparse = ko.convert(model, "sparse")
    assert classes(sparse) == {"narrow": SparseDense, "logits": SparseDense}
    values = np.random.default_rng(0).normal(size=(4, 16)).astype("float32")
    np.testing.assert_allclose(run(sparse, values), run(model, values), rtol=1e-4, atol=1e-5)


def test_masked_weights_are_left_out():
    model = keras.Sequential([keras.Input((16,)), layers.Dense(4, name="dense")])
    mask = Mask()
    parametrize(model, "dense/kernel", mask)
    keep = np.zeros((16, 4), "float32")
    keep[3] = 1.0
    mask.mask.assign(keep)
    sparse = ko.convert(model, "sparse")
    assert sparse.get_layer("dense").entries == (1, 4)
    x = np.random.default_rng(0).normal(size=(5, 16)).astype("float32")
    np.testing.assert_allclose(run(sparse, x), run(model, x), rtol=1e-5, atol=1e-6)


def test_integer_model():
    x = images(channels=12, size=8)
    model = quantization_aware(pruned(rows=4), x)
    dense, sparse = ko.convert(model, "int8"), ko.convert(model, "sparse")
    assert classes(sparse) == {
        "narrow": QuantizedConv2D,
        "window": QuantizedConv2D,
        "logits": QuantizedDense,
    }
    formats = {name: sparse.get_layer(name).weight_format for name in classes(sparse)}
    assert formats == {"narrow": "4x1", "window": "int8", "logits": "4x1"}
    np.testing.assert_array_equal(run(sparse, x), run(dense, x))


@pytest.mark.parametrize("rows", [1, 4])
def test_files(tmp_path, rows):
    model, x = pruned(rows), images(channels=12, size=8)
    if rows == 4:
        model = quantization_aware(model, x)
    sparse = ko.convert(model, "sparse")
    ko.save(sparse, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert classes(loaded) == classes(sparse)
    np.testing.assert_array_equal(run(loaded, x), run(sparse, x))


def test_report(capsys, monkeypatch):
    monkeypatch.setattr(sparse_module, "_seconds", lambda layers, *_: [1e-5, 3e-5])
    sparse = ko.convert(pruned(), "sparse", batch_size=7)
    out = capsys.readouterr().out
    assert "batch size 7" in out and "| narrow" in out and "30.0 |  dense |" in out
    assert classes(sparse)["logits"] is layers.Dense
    ko.convert(pruned(kept=1.0), "sparse")
    assert "No layer was made sparse" in capsys.readouterr().out


def test_layers_that_cannot_be_sparse_stay():
    sparse = ko.convert(pruned(strides=2), "sparse")
    assert classes(sparse)["narrow"] is layers.Conv2D


@pytest.mark.filterwarnings("ignore:Parts of")
def test_layers_of_int16_stay():
    x = images(8, 8, 12)
    model = quantization_aware(pruned(rows=4), x, "int16x8")
    sparse = ko.convert(model, "sparse")
    assert classes(sparse)["narrow"] is QuantizedConv2D
    np.testing.assert_array_equal(run(sparse, x), run(ko.convert(model, "int16x8"), x))


def test_two_calls_of_one_layer():
    x = keras.Input((6,))
    dense = layers.Dense(6, name="shared")
    dense.build((None, 6))
    dense.kernel.assign(np.eye(6))
    model = keras.Model(x, dense(dense(x)))
    sparse = ko.convert(model, "sparse")
    values = np.arange(12, dtype="float32").reshape(2, 6)
    np.testing.assert_array_equal(run(sparse, values), values)
    assert classes(sparse) == {"shared": SparseDense}


@pytest.mark.parametrize("batch_size", [0, 2.5, None])
def test_bad_batch_sizes(batch_size):
    with pytest.raises(ValueError, match=f"`batch_size`.*Received: {batch_size}"):
        ko.convert(pruned(), "sparse", batch_size=batch_size)


def test_without_the_native_library(monkeypatch):
    monkeypatch.setattr(sparse_module.native, "load", lambda: None)
    with pytest.raises(ValueError, match="need the TensorFlow backend"):
        ko.convert(pruned(), "sparse")


def test_what_is_measured(monkeypatch, capsys):
    monkeypatch.undo()
    model, x = pruned(), images(channels=12, size=8)
    np.testing.assert_allclose(
        run(ko.convert(model, "sparse"), x), run(model, x), rtol=1e-4, atol=1e-5
    )
    assert "| logits" in capsys.readouterr().out
