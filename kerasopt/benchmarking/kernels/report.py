"""The results as one table, or as JSON."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from kerasopt.benchmarking.kernels.result import OURS, Result
from kerasopt.table import format_table

_PACKAGES = ("kerasopt", "tensorflow", "onnxruntime", "openvino")


def as_table(results: list[Result], of_one_thread: dict[str, dict[str, float]]) -> str:
    """Formats results as a table, with a line for each case and peer.

    Args:
        results: The measured results.
        of_one_thread: For each case, the median seconds with one thread, by runtime; empty if not
            measured.
    """
    header = ["Work", OURS, "of the peak", "Peer", "its time", "times as fast"]
    lines = [line for result in results for line in _lines(result)]
    if of_one_thread:
        header += [f"{OURS}, over one thread", "peer, over one thread"]
        gains = [gain for result in results for gain in _gains(result, of_one_thread[result.work])]
        lines = [line + gain for line, gain in zip(lines, gains, strict=True)]
    return format_table(header, lines)


def _lines(result: Result) -> list[list[str]]:
    share = result.share_of_peak
    own = [result.work, _time(result.medians[OURS]), "" if share is None else f"{share:.1%}"]
    theirs = [[p, _time(result.medians[p]), f"{x:.2f}"] for p, x in result.ratios.items()]
    return _beside(own, theirs or [["", "", ""]])


def _gains(result: Result, of_one_thread: dict[str, float]) -> list[list[str]]:
    gains = {name: f"{of_one_thread[name] / s:.2f}" for name, s in result.medians.items()}
    return _beside([gains.pop(OURS)], [[gain] for gain in gains.values()] or [[""]])


def _beside(own: list[str], theirs: list[list[str]]) -> list[list[str]]:
    """Puts our cells into the first of the peers' lines."""
    return [(own if i == 0 else [""] * len(own)) + line for i, line in enumerate(theirs)]


def as_json(results: list[Result], threads: int, rounds: int) -> dict[str, Any]:
    """Returns results with the conditions of the measurement."""
    return {
        "threads": threads,
        "rounds": rounds,
        "versions": versions(),
        "works": [result.as_json() for result in results],
    }


def versions() -> dict[str, str]:
    """Returns the versions of the installed runtimes."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
