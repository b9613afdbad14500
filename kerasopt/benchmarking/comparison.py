"""`benchmark`: compares models on the same data."""

import gzip
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasopt.benchmarking.benchmark_report import BenchmarkReport, ModelBenchmark
from kerasopt.benchmarking.classification import ClassificationScores, classification_scores
from kerasopt.benchmarking.forward import batch_of, compiled_forward, predictions
from kerasopt.benchmarking.latency import Timing, time_in_turns
from kerasopt.benchmarking.layer_statistics import layer_statistics
from kerasopt.benchmarking.memory import peak_activation_bytes, variable_bytes
from kerasopt.exporters import save

_SCORED_AT = 32  # examples a batch, as in `predict`


def benchmark(
    models: keras.Model | Mapping[str, keras.Model],
    data: tuple[Any, Any],
    batch_sizes: Sequence[int] = (1,),
    repeats: int = 50,
    jit_compile: bool = False,
    verbose: int = 1,
) -> BenchmarkReport:
    """Compares classifiers: quality, size, memory and latency.

    Latency is the median time of `repeats` calls of a compiled forward pass, after a few warm-up
    calls; the models take turns. Slow models are called less often, for about 5 seconds per model.

    Example:

    ```python
    int8 = ko.convert(ko.quantize(model, "int8", calibration=x), "int8")
    report = ko.benchmark({"float": model, "int8": int8}, data=(x_test, y_test))
    print(report)
    report["int8"].accuracy
    ```

    Args:
        models: A built `keras.Model`, or a dict of name to model.
        data: Tuple `(x, y)`. `x` is an array, or another input of the models, of `n` examples; `y`
            has integer classes of shape `(n,)` or `(n, 1)`, or one-hot rows. The models return
            logits or probabilities of shape `(n, classes)`, or `(n, 1)` if they are binary.
        batch_sizes: Integers, the batch sizes to time.
        repeats: Integer, the maximum number of timed calls of each model at each batch size.
        jit_compile: Boolean, whether TensorFlow compiles the timed pass with XLA. JAX always does.
        verbose: 0 (silent) or 1 (a progress bar).

    Returns:
        A `BenchmarkReport`.

    Raises:
        TypeError: If one of `models` is not a Keras model.
        ValueError: If there is no model or no batch size, `x` and `y` differ in length or are
            empty, or the output of a model is not that of a classifier.
    """
    named = dict(models) if isinstance(models, Mapping) else {models.name: models}
    x, y = data
    labels = np.asarray(y)
    _check(named, x, labels, batch_sizes)
    forwards = {name: compiled_forward(model, jit_compile) for name, model in named.items()}
    steps = len(named) + repeats * len(batch_sizes)
    progress = keras.utils.Progbar(steps, verbose=verbose, interval=0.5)
    scores = {}
    for name, forward in forwards.items():
        outputs = predictions(forward, x, len(labels), _SCORED_AT)
        scores[name] = classification_scores(labels, outputs)
        progress.add(1)
    timings = {
        size: time_in_turns(
            list(forwards.values()),
            batch_of(x, np.resize(np.arange(len(labels)), size)),
            repeats,
            lambda: progress.add(1),
        )
        for size in batch_sizes
    }
    if any(timing.calls < repeats for timing in timings.values()):
        progress.update(steps, finalize=True)
    results = {
        name: _measure(
            model,
            scores[name],
            {size: timing.medians[place] for size, timing in timings.items()},
        )
        for place, (name, model) in enumerate(named.items())
    }
    return BenchmarkReport(results, _conditions(len(labels), timings.values(), jit_compile))


def _conditions(examples: int, timings: Iterable[Timing], jit_compile: bool) -> str:
    jit = "on" if jit_compile or keras.backend.backend() == "jax" else "off"
    calls = " to ".join(map(str, sorted({timing.calls for timing in timings})))
    return (
        f"{examples:,} examples. Latency: median of {calls} calls, "
        f"{keras.backend.backend()} backend, jit {jit}."
    )


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
