"""`summary`: the layers of a model as a table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from kerasopt.benchmarking.functions import FunctionCounts, function_counts
from kerasopt.benchmarking.layer_statistics import LayerStatistics, layer_statistics
from kerasopt.graph import require_built
from kerasopt.quantization import RoundingErrors, measure
from kerasopt.report import Report
from kerasopt.table import format_table

_HEADER = ("Layer (type)", "Parameters", "Zeros", "Bits", "Bytes", "MACs")


@dataclass(frozen=True, repr=False)
class ModelSummary(Report):
    """The size and computational cost of a model, layer by layer. `print` shows a table.

    Attributes:
        name: String, the name of the model.
        layers: Tuple of `LayerStatistics`, one for each layer with weights, and then one for each
            product of two tensors, as attention has them.
        functions: `FunctionCounts`, how many calls of what has no products (softmax,
            normalizations, additions) are on integers, and how many on floats.
        rounding: Dict of the path of each quantized tensor to its
            `kerasopt.quantization.RoundingError`; `None` without data.
    """

    name: str
    layers: tuple[LayerStatistics, ...]
    functions: FunctionCounts
    rounding: RoundingErrors | None = None

    @property
    def parameters(self) -> int:
        """The number of values in all weights."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def kernel_parameters(self) -> int:
        """The number of values in kernels and embeddings."""
        return sum(layer.kernel_parameters for layer in self.layers)

    @property
    def zeros(self) -> int:
        """The number of zeros in kernels and embeddings."""
        return sum(layer.zeros for layer in self.layers)

    @property
    def sparsity(self) -> float:
        """The fraction of zeros in kernels and embeddings."""
        return self.zeros / max(self.kernel_parameters, 1)

    @property
    def bytes(self) -> int:
        """The size of all weights at their bit widths, zeros included."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def macs(self) -> int:
        """The multiply-accumulates for one example, of layers for which they are known."""
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def integer_share(self) -> float | None:
        """The fraction of the MACs that multiply integers: weights or tensors of few bits.

        `None` if no MACs are known, as for inputs of unknown sizes without data.

        In a model with quantizers these are simulated. In what `kerasopt.convert` returns they are
        those of integer kernels.
        """
        if not self.macs:
            return None
        return sum(x.macs or 0 for x in self.layers if x.is_integer) / self.macs

    @property
    def macs_by_precision(self) -> dict[tuple[int, int], int]:
        """Multiply-accumulates by (bits of weights, bits of activations).

        Of a product of two tensors, the second one has the place of the weights.
        """
        counts: dict[tuple[int, int], int] = {}
        for layer in self.layers:
            if layer.macs:
                bits = layer.bits, layer.input_bits
                counts[bits] = counts.get(bits, 0) + layer.macs
        return counts

    def brief(self) -> str:
        return f"{self.name}, {self.parameters:,} parameters in {self.bytes:,} bytes"

    def __str__(self) -> str:
        rows = [
            [
                f"{layer.path} ({layer.class_name})",
                f"{layer.parameters:,}",
                _zeros(layer.zeros, layer.kernel_parameters),
                str(layer.bits),
                f"{layer.bytes:,}",
                "-" if layer.macs is None else f"{layer.macs:,}",
            ]
            for layer in self.layers
        ]
        macs_known = any(layer.macs is not None for layer in self.layers)
        total = [
            "Total",
            f"{self.parameters:,}",
            _zeros(self.zeros, self.kernel_parameters),
            "",
            f"{self.bytes:,}",
            f"{self.macs:,}" if macs_known else "-",
        ]
        header = list(_HEADER)
        for title in dict.fromkeys(title for layer in self.layers for title in layer.figures):
            header.append(title)
            for row, layer in zip(rows, self.layers, strict=True):
                row.append(f"{layer.figures[title]:.1f}" if title in layer.figures else "-")
            total.append("")
        parts = [f"Model: {self.name}", format_table(header, [*rows, total])]
        if set(self.macs_by_precision) - {(32, 32)}:
            parts.append(f"{self._precisions()}\n{self.functions}")
        return "\n\n".join(parts + ([str(self.rounding)] if self.rounding else []))

    def _precisions(self) -> str:
        counts = sorted(self.macs_by_precision.items())
        shares = [
            f"{weights} × {activations} bits: {count:,} ({count / self.macs:.1%})"
            for (weights, activations), count in counts
        ]
        return (
            f"MACs, weights × activations: {', '.join(shares)}; "
            f"in integers: {self.integer_share:.1%}"
        )


def summary(
    model: keras.Model, print_fn: Callable[[str], object] | None = None, data: Any = None
) -> ModelSummary:
    """Prints the size and computational cost of each layer of a model.

    The table has one row for each layer with weights: its parameters, the zeros in its kernels,
    their bit width, the bytes of its weights at this width, and the multiply-accumulates (MACs) for
    one example; in a model with quantizers also the signal-to-quantization-noise ratio (SQNR) of
    its kernels. Rows of products of two tensors, as attention has them, follow. Below the table are
    the MACs by bit width, their share in integers, and how often other operations (softmax,
    normalizations, additions) are on integers and on floats, unless all are float32. Works on plain
    Keras models, on models during compression (zeros and bits are those after masks and quantizers)
    and on integer models.

    Example:

    ```python
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, name="logits")])
    ko.summary(model)
    # Model: sequential
    #
    # | Layer (type)   | Parameters | Zeros | Bits | Bytes | MACs |
    # | -------------- | ---------: | ----: | ---: | ----: | ---: |
    # | logits (Dense) |        650 |  0.0% |   32 | 2,600 |  640 |
    # | Total          |        650 |  0.0% |      | 2,600 |  640 |
    ```

    Args:
        model: A built `keras.Model`.
        print_fn: Function that receives the text, as in Keras' own `summary`. Defaults to `print`.
        data: A batch of inputs for the model's `call`. With it, MACs are those of its first
            example, also where the model leaves sizes unknown, and a second table has the range,
            scale, SQNR and clipped fraction of every quantized weight and activation, from
            `kerasopt.quantization.measure`.

    Returns:
        A `ModelSummary`, with the same numbers as attributes. For layers that are called more than
        once, parameters are counted once and MACs for every call. MACs are counted for layers with
        a kernel, except recurrent cells, for products of two tensors, and for the tables of
        embeddings that are called in reverse.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If `model` has not been built.
    """
    require_built(model)
    rounding = None if data is None else measure(model, data)
    layers = tuple(layer_statistics(model, data))
    report = ModelSummary(model.name, layers, function_counts(model), rounding)
    (print_fn or print)(str(report))
    return report if print_fn else report.printed()


def _zeros(zeros: int, of: int) -> str:
    return f"{zeros / of:.1%}" if of else "-"
