"""Comparison of a quantization-aware model with its integer counterpart, layer by layer."""

import keras
import numpy as np

import kerasopt as ko


def assert_parity(
    model: keras.Model, integers: keras.Model, x: np.ndarray, layers: int, share: float = 0.999
) -> None:
    """Asserts that integer layers compute what training saw, given equal inputs.

    Each layer reads the integers that the fake-quantized values of `model` stand for. That share
    of its output equals the integers that `model` computes there, and none is off by more than 1. A
    layer may have two values off in any case, however small it is.
    """
    report = ko.compare(integers, model, x, isolated=True)
    rows = [row for row in report.tensors if row.steps is not None]
    assert len(rows) == layers, report
    for row in rows:
        assert row.steps <= 1, report
        assert row.size * (1 - row.equal) <= max(2.5, row.size * (1 - share)), report
