"""`benchmark`: figures of models side by side."""

import gzip

import keras
import numpy as np
import pytest

from kerasopt.benchmarking import benchmark, latency
from kerasopt.benchmarking.memory import peak_activation_bytes
from kerasopt.exporters import save

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = RNG.integers(0, 3, 40)


def classifier(width=8):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(width), keras.layers.Dense(3)], name="net"
    )


def test_figures_are_those_of_the_model(tmp_path):
    small, large = classifier(), classifier(500)
    large.layers[0].kernel.assign(np.where(RNG.random((6, 500)) < 0.5, 0, 1))
    report = benchmark({"small": small, "large": large}, (X, Y), batch_sizes=(1, 16), repeats=3)

    assert report["small"].accuracy == np.mean(small.predict(X, verbose=0).argmax(-1) == Y)
    zeros = sum(np.sum(layer.kernel.numpy() == 0) for layer in large.layers)
    assert report["large"].sparsity == zeros / (6 * 500 + 500 * 3)
    save(large, tmp_path / "large.keras")
    content = (tmp_path / "large.keras").read_bytes()
    assert report["large"].file_bytes == pytest.approx(len(content), abs=20)
    assert report["large"].gzip_bytes == pytest.approx(len(gzip.compress(content)), abs=40)
    assert report["small"].memory_bytes == 4 * small.count_params() + 4 * (6 + 8)
    assert set(report["small"].latency) == {1, 16}
    assert all(0 < seconds < 1 for seconds in report["small"].latency.values())


def test_table_has_a_column_for_each_model():
    models = {"float": classifier(), "int8": classifier()}
    report = benchmark(models, (X, Y), batch_sizes=(1, 2), repeats=3, verbose=0)
    lines = str(report).splitlines()
    assert lines[0].split("|")[2:4] == [" float ".rjust(8), " int8 ".rjust(8)]
    labels = [line.split("|")[1].strip() for line in lines[2:12]]
    assert labels == [
        "Accuracy",
        "Precision (macro)",
        "Recall (macro)",
        "F1 (macro)",
        "Zeros in kernels",
        "File (kB)",
        "File, gzipped (kB)",
        "Memory, batch 1 (kB)",
        "Latency, batch 1 (ms)",
        "Latency, batch 2 (ms)",
    ]
    assert "jit off" in lines[-1]


def test_it_is_quick_unless_asked(monkeypatch, capsys):
    report = benchmark(classifier(), (X, Y), repeats=3)
    assert set(report["net"].latency) == {1}
    assert "4/4" in capsys.readouterr().out
    monkeypatch.setattr(latency, "SECONDS", 0.0)
    report = benchmark(classifier(), (X, Y), repeats=1000, verbose=0)
    assert "median of 1 calls" in str(report) and not capsys.readouterr().out


def test_a_single_model_goes_by_its_name():
    report = benchmark(classifier(), (X, Y), batch_sizes=(2,), repeats=1, jit_compile=True)
    assert list(report.models) == ["net"]
    assert "jit on" in str(report)


def test_peak_memory_counts_tensors_that_wait():
    inputs = keras.Input((10,))
    wide = keras.layers.Dense(100)(inputs)
    narrow = keras.layers.Dense(5)(wide)
    again = keras.layers.Dense(100)(narrow)
    model = keras.Model(inputs, keras.layers.Add()([wide, again]))
    # At the Add, the tensor that waited, the other operand and the sum.
    assert peak_activation_bytes(model) == 4 * 300
    chain = keras.Sequential([inputs, keras.layers.Dense(100), keras.layers.Dense(5)])
    assert peak_activation_bytes(chain) == 4 * 110


def test_memory_is_open_where_activations_are_not_known():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            y = self.dense(x)
            return keras.ops.cond(keras.ops.any(x > 0), lambda: y, lambda: -y)

    model = Net()
    model(X)
    report = benchmark({"subclassed": model}, (X, Y), batch_sizes=(1,), repeats=1)
    assert report["subclassed"].memory_bytes is None
    (line,) = (line for line in str(report).splitlines() if "Memory" in line)
    assert line.endswith(" - |")


@pytest.mark.parametrize(
    ("models", "data", "error", "message"),
    [
        ({}, (X, Y), ValueError, "`models` must hold at least one"),
        ({"a": None}, (X, Y), TypeError, r"Received: models\['a'\]=None"),
        (None, (X, Y[:-1]), ValueError, r"examples=\[40\], labels=39"),
        (None, (X[:0], Y[:0]), ValueError, "labels=0"),
    ],
)
def test_wrong_arguments_are_named(models, data, error, message):
    with pytest.raises(error, match=message):
        benchmark(classifier() if models is None else models, data)


@pytest.mark.parametrize("batch_sizes", [(), (0, 1)])
def test_batch_sizes_must_be_positive(batch_sizes):
    with pytest.raises(ValueError, match="`batch_sizes` must hold.*Received: batch_sizes="):
        benchmark(classifier(), (X, Y), batch_sizes=batch_sizes)


def test_outputs_must_be_a_classifiers():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Reshape((3, 2))])
    with pytest.raises(ValueError, match=r"output shape=\(40, 3, 2\)"):
        benchmark(model, (X, Y), batch_sizes=(1,), repeats=1)


def test_the_backend_is_named():
    table = str(benchmark({"model": classifier()}, (X, Y), batch_sizes=(1, 8), repeats=2))
    backend = keras.config.backend()
    assert f"{backend} backend, jit {'on' if backend == 'jax' else 'off'}" in table
