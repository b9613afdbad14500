"""The plot of a comparison."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from kerasopt.parity.tensor_parity import TensorParity


def draw(tensors: Sequence[TensorParity], title: str, path: str | os.PathLike) -> None:
    """Writes an image with the differing values and the SQNR of each tensor."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "A plot needs matplotlib: `pip install matplotlib`, or kerasopt's extra `plot`."
        ) from error
    names = [row.name for row in tensors]
    places = np.arange(len(names))
    figure = Figure(figsize=(max(6.4, 0.22 * len(names)), 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.bar(places, [100 * (1 - row.equal) for row in tensors])
    upper.set_ylabel("values that differ (%)")
    upper.set_title(title)
    # Equal tensors have no noise: their ratio is infinite and is not drawn.
    sqnr = np.array([row.sqnr for row in tensors])
    lower.plot(places, np.where(np.isfinite(sqnr), sqnr, np.nan), "o-")
    lower.set_ylabel("SQNR (dB)")
    lower.set_xticks(places, names, rotation=90, fontsize=6)
    parting = next((place for place, row in enumerate(tensors) if row.parts), None)
    if parting is not None:
        for axes in (upper, lower):
            axes.axvline(parting, color="tab:red", linestyle="--")
    figure.savefig(path, dpi=150)
