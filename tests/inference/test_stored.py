"""What a file asks for is not allocated before it is seen to be there."""

import contextlib
import json
import tracemalloc
import zipfile

import keras
import numpy as np
import pytest

import kerasopt as ko
from kerasopt.inference import Affine
from kerasopt.inference.dynamic_dense import DynamicDense
from kerasopt.inference.half import HalfDense
from kerasopt.inference.integer.convolutions import QuantizedConv2D
from kerasopt.inference.integer.dense import QuantizedDense
from kerasopt.inference.integer.embedding import QuantizedEmbedding
from kerasopt.inference.sparse import SparseDense

CONFIG = "config.json"
AFFINES = {"input_affine": Affine(0.1, 3), "output_affine": Affine(0.2, -5)}
# A layer, the shape and dtype of its input, and what its config is made to say.
LAYERS = {
    "dense": (lambda: QuantizedDense(3, **AFFINES), (4,), "int8", {"units": 10**9}),
    "dynamic": (lambda: DynamicDense(3), (4,), "float32", {"units": 10**9}),
    "half": (lambda: HalfDense(3), (4,), "float32", {"units": 10**9}),
    "convolution": (
        lambda: QuantizedConv2D(3, 1, **AFFINES),
        (2, 2, 4),
        "int8",
        {"filters": 10**9},
    ),
    "embedding": (
        lambda: QuantizedEmbedding(5, 4, output_affine=AFFINES["output_affine"]),
        (2,),
        "int32",
        {"input_dim": 10**10},
    ),
    "sparse": (lambda: SparseDense(3, (0, 4)), (4,), "float32", {"entries": [10**10, 4]}),
}


def _rewrite(path, member, edit):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = edit(members[member])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _saved(name, path):
    make, shape, dtype, change = LAYERS[name]
    inputs = keras.Input(shape, dtype=dtype)
    ko.save(keras.Model(inputs, make()(inputs)), path)
    return change


@contextlib.contextmanager
def _little_memory():
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6


@pytest.mark.parametrize("name", LAYERS)
def test_a_config_that_asks_for_all_memory_is_refused(tmp_path, name):
    path = tmp_path / "model.keras"
    change = _saved(name, path)

    def edit(content):
        config = json.loads(content)
        config["config"]["layers"][-1]["config"] |= change
        return json.dumps(config)

    _rewrite(path, CONFIG, edit)
    with _little_memory(), pytest.raises(ValueError, match="must (be|have)"):
        keras.models.load_model(path)


def test_large_weights_load_as_they_were(tmp_path):
    """They have no values until their file is read."""
    inputs = keras.Input((1100,), dtype="int8")
    layer = QuantizedDense(1000, **AFFINES)
    model = keras.Model(inputs, layer(inputs))
    random = np.random.default_rng(0)
    kernel = random.integers(-127, 128, (1100, 1000)).astype("int8")
    layer.set_arrays(kernel, np.zeros(1000, "int32"), np.full(1000, 0.01, "float32"))
    ko.save(model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())
    data = random.integers(-128, 128, (2, 1100)).astype("int8")
    np.testing.assert_array_equal(model.predict(data, verbose=0), loaded.predict(data, verbose=0))
    loaded.set_weights(model.get_weights())
    loaded.load_weights(tmp_path / "model.keras")
