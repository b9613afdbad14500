"""How long forward passes take."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

WARM_UP_CALLS = 3
# After so long for each function no further round begins.
SECONDS = 5.0


class Timing(NamedTuple):
    """What was timed.

    Attributes:
        medians: List of floats, the median seconds of a call of each function.
        calls: Integer, the timed calls of each.
    """

    medians: list[float]
    calls: int


def time_in_turns(
    forwards: Sequence[Callable[[Any], Any]],
    batch: Any,
    repeats: int,
    on_round: Callable[[], None] = lambda: None,
) -> Timing:
    """Times forward passes against each other.

    They take turns, so that what else the machine does meanwhile meets all of them and leaves
    their ratios alone.

    Args:
        forwards: Functions that run a model on a batch and wait for the outputs.
        batch: The batch.
        repeats: Integer, how often each function is timed, at most, after a few calls to warm up.
        on_round: Function that is called after each function was timed once.
    """
    for forward in forwards:
        for _ in range(WARM_UP_CALLS):
            forward(batch)
    seconds: list[list[float]] = [[] for _ in forwards]
    begin = time.perf_counter()
    for _ in range(repeats):
        for forward, measured in zip(forwards, seconds, strict=True):
            start = time.perf_counter()
            forward(batch)
            measured.append(time.perf_counter() - start)
        on_round()
        if time.perf_counter() - begin > SECONDS * len(forwards):
            break
    return Timing([statistics.median(measured) for measured in seconds], len(seconds[0]))
