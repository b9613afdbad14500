"""The latency of forward passes."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

WARM_UP_CALLS = 3
# Seconds per function after which no further round begins.
SECONDS = 5.0


class Timing(NamedTuple):
    """The measured times.

    Attributes:
        medians: List of floats, the median seconds of a call of each function.
        calls: Integer, the number of timed calls of each function.
    """

    medians: list[float]
    calls: int


def time_in_turns(
    forwards: Sequence[Callable[[Any], Any]],
    batch: Any,
    repeats: int,
    on_round: Callable[[], None] = lambda: None,
) -> Timing:
    """Times forward passes in turns.

    They take turns, so that other load of the machine affects all of them equally.

    Args:
        forwards: Functions that run a model on a batch and wait for the outputs.
        batch: The batch.
        repeats: Integer, the maximum number of timed calls of each function, after a few warm-up
            calls.
        on_round: Function that is called after each round.
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
