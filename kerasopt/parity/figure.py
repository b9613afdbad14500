"""The plot of a comparison."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kerasopt.parity.report import ParityReport


def draw(report: ParityReport, path: str | os.PathLike) -> None:
    """Writes an image with the differing values and the SQNR of each tensor of a report."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "A plot needs matplotlib: `pip install matplotlib`, or kerasopt's extra `plot`."
        ) from error
    names = [row.name for row in report.tensors]
    places = np.arange(len(names))
    figure = Figure(figsize=(max(6.4, 0.22 * len(names)), 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.bar(places, [100 * (1 - row.equal) for row in report.tensors])
    upper.set_ylabel("values that differ (%)")
    upper.set_title(f"{report.first} and {report.second}")
    # Equal tensors have no noise: their ratio is infinite, and no point.
    sqnr = np.array([row.sqnr for row in report.tensors])
    lower.plot(places, np.where(np.isfinite(sqnr), sqnr, np.nan), "o-")
    lower.set_ylabel("SQNR (dB)")
    lower.set_xticks(places, names, rotation=90, fontsize=6)
    parting = report.first_parting
    if parting is not None:
        for axes in (upper, lower):
            axes.axvline(names.index(parting.name), color="tab:red", linestyle="--")
    figure.savefig(path, dpi=150)
