"""The results of `benchmark`."""

from dataclasses import dataclass

from kerasopt.report import Report
from kerasopt.table import format_table


@dataclass(frozen=True)
class ModelBenchmark:
    """The measurements of one model.

    Attributes:
        accuracy: Float, the fraction of the examples that are classified correctly.
        precision: Float, mean over the classes (macro average).
        recall: Float, mean over the classes.
        f1: Float, mean over the classes.
        sparsity: Float, the fraction of zeros in kernels and embeddings.
        file_bytes: Integer, size of the file that `kerasopt.save` writes, without optimizer.
        gzip_bytes: Integer, size of that file after gzip.
        memory_bytes: Integer, bytes of the model's variables and of the activations that a forward
            pass of one example holds at its peak. Computed, not measured, without buffers inside
            layers and the runtime's own memory. `None` if the activations are unknown (subclassed
            models, dimensions of `None`).
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


@dataclass(frozen=True, repr=False)
class BenchmarkReport(Report):
    """Models side by side. `print` shows a table.

    Attributes:
        models: Dict of name to `ModelBenchmark`.
        conditions: String, the conditions of the measurement.
    """

    models: dict[str, ModelBenchmark]
    conditions: str

    def __getitem__(self, name: str) -> ModelBenchmark:
        return self.models[name]

    def brief(self) -> str:
        return ", ".join(self.models)

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


def _kilobytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1000:,.1f}"
