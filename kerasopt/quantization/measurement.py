"""Measures rounding errors: signal to noise, clipping, scales."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from kerasopt.parametrization import ACTIVATION_SLOTS, links_of_model, read_until
from kerasopt.quantization.arrays import to_float32
from kerasopt.quantization.cast import Cast
from kerasopt.quantization.quantizer import Quantizer
from kerasopt.quantization.states import states_kept
from kerasopt.report import Report
from kerasopt.table import format_table


@dataclass
class RoundingError:
    """The rounding error of a tensor, accumulated over batches.

    Attributes:
        bits: Integer, the bit width of a value.
        minimum: Float, the smallest input value.
        maximum: Float, the largest input value.
        sqnr: Float, the signal-to-quantization-noise ratio in decibel:
            `10 log10(sum of x^2 / sum of (x - y)^2)`; infinity if rounding changes nothing.
        scale: Float, the largest step between neighbouring values; `None` for floating-point
            formats and dynamic ranges.
        clipped: Float, the fraction of values outside of the range: those that rounding changes by
            more than half a step.
    """

    bits: int
    minimum: float = math.inf
    maximum: float = -math.inf
    scale: float | None = None
    clipped: float = 0.0
    _signal: float = field(default=0.0, repr=False)
    _noise: float = field(default=0.0, repr=False)
    _count: int = field(default=0, repr=False)

    def add(self, values, rounded, step) -> None:
        """Adds values, their rounded values, and the step between neighbouring ones."""
        values, rounded = np.asarray(values, "float64"), np.asarray(rounded, "float64")
        error = np.abs(values - rounded)
        outside = 0.0
        if step is not None:
            self.scale = float(np.max(step))
            outside = float((error > 0.501 * np.asarray(step)).sum())
        self.clipped = (self.clipped * self._count + outside) / (self._count + values.size)
        self._count += values.size
        self._signal += float((values**2).sum())
        self._noise += float((error**2).sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))

    @property
    def sqnr(self) -> float:
        if not self._noise:
            return math.inf
        return 10 * math.log10(self._signal / self._noise) if self._signal else -math.inf


class RoundingErrors(Report, dict):
    """Dict of the path of a tensor to its `RoundingError`. `print` shows a table."""

    def brief(self) -> str:
        return f"{len(self)} tensors"

    def __str__(self) -> str:
        header = ("Tensor", "Bits", "Minimum", "Maximum", "Scale", "SQNR (dB)", "Clipped")
        rows = [
            (
                path,
                str(each.bits),
                f"{each.minimum:.4g}",
                f"{each.maximum:.4g}",
                "-" if each.scale is None else f"{each.scale:.4g}",
                f"{each.sqnr:.1f}",
                f"{each.clipped:.2%}",
            )
            for path, each in self.items()
        ]
        return format_table(header, rows)


def measure(model: keras.Model, data: Any = None) -> RoundingErrors:
    """Measures the rounding error of every quantized tensor of a model.

    Example:

    ```python
    quantized = ko.quantize(model, "int8", calibration=x)
    print(ko.quantization.measure(quantized, x[:100]))
    ```

    Args:
        model: A built model with quantizers, from `QuantizationAware` or `ko.quantize`.
        data: A batch of inputs for the model's `call`, to measure activations. `None`: weights
            only.

    Returns:
        `RoundingErrors`, a dict of path to `RoundingError`, in the order of the layers.
    """
    found = RoundingErrors()
    activations = {}
    for path, layer, slot, link in links_of_model(model, Quantizer):
        rounding = found[f"{path}/{slot}"] = RoundingError(link.bits)
        if slot in ACTIVATION_SLOTS:
            activations[link] = rounding
        else:
            measure_weight(layer, slot, link, rounding)
    if data is None:
        return RoundingErrors((path, each) for path, each in found.items() if each._count)
    with _recorded(activations), states_kept(model):
        model(data, training=False)
    return found


def measure_weight(
    layer, slot: str, quantizer: Quantizer, into: RoundingError | None = None
) -> RoundingError:
    """Returns the current `RoundingError` of a weight."""
    rounding = into or RoundingError(quantizer.bits)
    value = read_until(layer, slot, quantizer)
    step = None if isinstance(quantizer, Cast) else to_float32(quantizer.codes(value)[1])
    rounding.add(to_float32(value), to_float32(quantizer(value)), step)
    return rounding


@contextlib.contextmanager
def _recorded(activations: dict[Any, RoundingError]) -> Iterator[None]:
    """Temporarily lets quantizers record their inputs, outside of graphs."""

    def recording(link, rounding):
        call = link.call

        def record(inputs, **kwargs):
            outputs = call(inputs, **kwargs)
            step = getattr(link, "scale", None)
            rounding.add(to_float32(inputs), to_float32(outputs), step)
            return outputs

        return record

    for link, rounding in activations.items():
        vars(link)["call"] = recording(link, rounding)
    try:
        yield
    finally:
        for link in activations:
            vars(link).pop("call", None)
