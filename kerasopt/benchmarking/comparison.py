"""`benchmark`: models against each other on the same data."""

import gzip
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt.benchmarking.classification import ClassificationScores, classification_scores
from kerasopt.benchmarking.forward import batch_of, compiled_forward, predictions
from kerasopt.benchmarking.latency import median_latencies
from kerasopt.benchmarking.layer_statistics import layer_statistics
from kerasopt.benchmarking.memory import peak_activation_bytes, variable_bytes
from kerasopt.exporters import save
from kerasopt.table import format_table


@dataclass(frozen=True)
class ModelBenchmark:
    """What was measured of one model.

    Attributes:
        accuracy: Float, the fraction of the examples that are classified correctly.
        precision: Float, mean over the classes (macro average).
        recall: Float, mean over the classes.
        f1: Float, mean over the classes.
        sparsity: Float, the fraction of zeros in kernels and embeddings.
        file_bytes: Integer, size of the file that `kerasopt.save` writes, without optimizer.
        gzip_bytes: Integer, size of that file after gzip.
        memory_bytes: Integer, bytes of the model's variables and of the activations that a
            forward pass of one example holds at its peak. Counted, not measured: buffers inside
            of layers and the runtime's own memory come on top. `None` where the activations are
            not known (subclassed models, dimensions of `None`).
        latency: Dict of batch size to the median seconds of a forward pass.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    sparsity: float
    file_bytes: int
    gzip_bytes: int
    memory_bytes: int | None
    latency: dict[int, float]


@dataclass(frozen=True)
class BenchmarkReport:
    """Models side by side. `str` of it is a Markdown table.

    Attributes:
        models: Dict of name to `ModelBenchmark`.
        conditions: String, what the figures were taken under.
    """

    models: dict[str, ModelBenchmark]
    conditions: str

    def __getitem__(self, name: str) -> ModelBenchmark:
        return self.models[name]

    def __str__(self) -> str:
        results = list(self.models.values())
        rows = [
            *(
                (label, *(f"{getattr(result, field):.2%}" for result in results))
                for label, field in _FRACTIONS.items()
            ),
            *(
                (label, *(_kilobytes(getattr(result, field)) for result in results))
                for label, field in _SIZES.items()
            ),
            *(
                (
                    f"Latency, batch {batch_size} (ms)",
                    *(f"{1000 * result.latency[batch_size]:.2f}" for result in results),
                )
                for batch_size in results[0].latency
            ),
        ]
        return f"{format_table(('', *self.models), rows)}\n\n{self.conditions}"


_FRACTIONS = {
    "Accuracy": "accuracy",
    "Precision (macro)": "precision",
    "Recall (macro)": "recall",
    "F1 (macro)": "f1",
    "Zeros in kernels": "sparsity",
}
_SIZES = {
    "File (kB)": "file_bytes",
    "File, gzipped (kB)": "gzip_bytes",
    "Memory, batch 1 (kB)": "memory_bytes",
}


def benchmark(
    models: keras.Model | Mapping[str, keras.Model],
    data: tuple[Any, Any],
    batch_sizes: Sequence[int] = (1, 256),
    repeats: int = 50,
    jit_compile: bool = False,
) -> BenchmarkReport:
    """Measures classifiers against each other: quality, size, memory and latency.

    Latency is that of a compiled forward pass, the median of `repeats` calls after a few to warm
    up, during which the models take turns.

    Example:

    ```python
    report = ko.benchmark({"float": model, "int8": int8}, data=(x_test, y_test))
    print(report)
    report["int8"].accuracy
    ```

    Args:
        models: A built `keras.Model`, or a dict of name to model.
        data: Tuple `(x, y)`. `x` is an array, or what else the models take, of `n` examples; `y`
            has integer classes of shape `(n,)` or `(n, 1)`, or one-hot rows. The models return
            logits or probabilities of shape `(n, classes)`, or `(n, 1)` if they are binary.
        batch_sizes: Integers, the batch sizes to time. The largest is also the one in which the
            examples are scored.
        repeats: Integer, the timed calls of each model at each batch size.
        jit_compile: Boolean, whether TensorFlow compiles the timed pass with XLA. On JAX it
            always is.

    Returns:
        A `BenchmarkReport`.

    Raises:
        TypeError: If one of `models` is not a Keras model.
        ValueError: If there is no model or no batch size, `x` and `y` differ in length or are
            empty, or the output of a model is not a classifier's.
    """
    named = dict(models) if isinstance(models, Mapping) else {models.name: models}
    x, y = data
    labels = np.asarray(y)
    _check(named, x, labels, batch_sizes)
    forwards = {name: compiled_forward(model, jit_compile) for name, model in named.items()}
    latencies: dict[str, dict[int, float]] = {name: {} for name in named}
    for size in batch_sizes:
        batch = batch_of(x, np.resize(np.arange(len(labels)), size))
        medians = median_latencies(list(forwards.values()), batch, repeats)
        for name, median in zip(named, medians, strict=True):
            latencies[name][size] = median
    results = {
        name: _measure(
            model,
            classification_scores(
                labels, predictions(forwards[name], x, len(labels), max(batch_sizes))
            ),
            latencies[name],
        )
        for name, model in named.items()
    }
    jit = "on" if jit_compile or keras.backend.backend() == "jax" else "off"
    conditions = (
        f"{len(labels):,} examples. Latency: median of {repeats} calls, "
        f"{keras.backend.backend()} backend, jit {jit}."
    )
    return BenchmarkReport(results, conditions)


def _check(
    models: Mapping[str, Any], x: Any, labels: np.ndarray, batch_sizes: Sequence[int]
) -> None:
    if not models:
        raise ValueError("`models` must hold at least one model. Received: models={}")
    for name, model in models.items():
        if not isinstance(model, keras.Model):
            raise TypeError(
                "`models` must be a Keras model, or a dict of name to Keras model. "
                f"Received: models[{name!r}]={model!r}"
            )
    if not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(
            "`batch_sizes` must hold at least one positive integer. "
            f"Received: batch_sizes={batch_sizes}"
        )
    lengths = {len(array) for array in keras.tree.flatten(x)}
    if lengths != {len(labels)} or not len(labels):
        raise ValueError(
            "`data` must be `(x, y)` with as many labels as examples, at least one. "
            f"Received: examples={sorted(lengths)}, labels={len(labels)}"
        )


def _measure(
    model: keras.Model, scores: ClassificationScores, latency: dict[int, float]
) -> ModelBenchmark:
    layers = layer_statistics(model)
    kernel_parameters = sum(layer.kernel_parameters for layer in layers)
    file_bytes, gzip_bytes = _file_sizes(model)
    activations = peak_activation_bytes(model)
    return ModelBenchmark(
        *scores,
        sparsity=sum(layer.zeros for layer in layers) / max(kernel_parameters, 1),
        file_bytes=file_bytes,
        gzip_bytes=gzip_bytes,
        memory_bytes=None if activations is None else activations + variable_bytes(model),
        latency=latency,
    )


def _file_sizes(model: keras.Model) -> tuple[int, int]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        save(model, path)
        content = path.read_bytes()
    return len(content), len(gzip.compress(content))


def _kilobytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1000:,.1f}"
