"""Times calls in interleaved rounds, so that other load of the machine affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from kerasopt.benchmarking.kernels.case import Call

SECONDS = 0.2  # per call and round


def time_in_rounds(calls: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
    """Times calls in turns, after one warm-up call of each.

    Args:
        calls: The calls by their names.
        rounds: Integer, the number of rounds.

    Returns:
        The median seconds of each call in every round.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(_median_of(call))
    return seconds


def _median_of(call: Call) -> float:
    times: list[float] = []
    begin = time.perf_counter()
    while not times or time.perf_counter() - begin < SECONDS:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
