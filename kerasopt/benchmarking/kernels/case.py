"""A timed case: the same work done by kerasopt and by its peers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

Call = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Work:
    """Calls that do the same work, ready to be timed.

    Attributes:
        ours: The call of kerasopt.
        peers: Dict of calls of other runtimes by name; `None` for one that is not installed.
        repetitions: How often a call repeats the work, since a call from Python takes as long as
            some small kernels.
        products: The number of int8 products in the work, to compare with the peak of the multiply
            instruction; 0 if that does not apply.
    """

    ours: Call
    peers: Mapping[str, Call | None]
    repetitions: int = 1
    products: int = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """A case that can be timed.

    Attributes:
        name: The name in the table, which `--only` is matched with.
        prepare: Function from the number of threads to the `Work`.
    """

    name: str
    prepare: Callable[[int], Work]
