"""What is timed: one work, done by kerasopt and by its peers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

Call = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Work:
    """Calls that do the same work, ready to be timed.

    Attributes:
        ours: The call of kerasopt.
        peers: The calls of others by their names; `None` for one that is not installed.
        repetitions: How often a call does the work: a call from Python costs as much as some small
            kernels.
        products: How many products of int8 values the work has, to be held against the peak of
            the multiply instruction; 0 where that says nothing.
    """

    ours: Call
    peers: Mapping[str, Call | None]
    repetitions: int = 1
    products: int = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """A work that can be timed.

    Attributes:
        name: The name in the table, and what `--only` is matched with.
        prepare: Takes the number of threads, and makes the calls.
    """

    name: str
    prepare: Callable[[int], Work]
