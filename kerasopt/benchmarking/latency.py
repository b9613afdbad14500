"""How long forward passes take."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

WARM_UP_CALLS = 3


def median_latencies(
    forwards: Sequence[Callable[[Any], Any]], batch: Any, repeats: int
) -> list[float]:
    """Times forward passes against each other.

    They take turns, so that what else the machine does meanwhile meets all of them and leaves
    their ratios alone.

    Args:
        forwards: Functions that run a model on a batch and wait for the outputs.
        batch: The batch.
        repeats: Integer, how often each function is timed after a few calls to warm up.

    Returns:
        The median of each function, in seconds.
    """
    for forward in forwards:
        for _ in range(WARM_UP_CALLS):
            forward(batch)
    seconds: list[list[float]] = [[] for _ in forwards]
    for _ in range(repeats):
        for forward, measured in zip(forwards, seconds, strict=True):
            start = time.perf_counter()
            forward(batch)
            measured.append(time.perf_counter() - start)
    return [statistics.median(measured) for measured in seconds]
