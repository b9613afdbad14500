"""The measurements of a case."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from kerasopt.benchmarking.kernels.case import Case
from kerasopt.benchmarking.kernels.peak import Peak
from kerasopt.benchmarking.kernels.rounds import time_in_rounds

OURS = "kerasopt"


@dataclasses.dataclass(frozen=True)
class Result:
    """The times of a case.

    Attributes:
        work: The name of the case.
        seconds: The median seconds of the work in every round, by runtime, `OURS` first.
        peak_seconds: The same for its products at the peak of the multiply instruction; empty if
            that does not apply.
    """

    work: str
    seconds: dict[str, list[float]]
    peak_seconds: list[float]

    @property
    def medians(self) -> dict[str, float]:
        """The median seconds of the rounds, by runtime."""
        return {name: statistics.median(rounds) for name, rounds in self.seconds.items()}

    @property
    def ratios(self) -> dict[str, float]:
        """The speed-up of kerasopt over each peer: the median of the rounds' ratios."""
        return {
            name: _median_ratio(rounds, self.seconds[OURS])
            for name, rounds in self.seconds.items()
            if name != OURS
        }

    @property
    def share_of_peak(self) -> float | None:
        """The speed of kerasopt as a fraction of the peak of the multiply instruction."""
        return _median_ratio(self.peak_seconds, self.seconds[OURS]) if self.peak_seconds else None

    def as_json(self) -> dict[str, Any]:
        """Returns all numbers; the last three are derived from the others."""
        return {
            **dataclasses.asdict(self),
            "medians": self.medians,
            "ratios": self.ratios,
            "share_of_peak": self.share_of_peak,
        }


def measure(case: Case, threads: int, rounds: int) -> Result:
    """Times kerasopt, its installed peers and, if applicable, the peak.

    Args:
        case: The case to time.
        threads: Integer, the number of threads, already set in TensorFlow, for the peers.
        rounds: Integer, the number of rounds.
    """
    work, peak = case.prepare(threads), Peak(threads)
    calls = {OURS: work.ours}
    calls |= {name: call for name, call in work.peers.items() if call is not None}
    names = list(calls)
    if work.products and peak.products:
        calls["peak"] = peak
    seconds = time_in_rounds(calls, rounds)
    return Result(
        case.name,
        {name: [each / work.repetitions for each in seconds[name]] for name in names},
        [each * work.products / peak.products for each in seconds.get("peak", ())],
    )


def _median_ratio(numerators: list[float], denominators: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(numerators, denominators, strict=True))
