"""What is to be read of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kerasopt.graph import Rule
from kerasopt.graph.rules import Selector

PARTS = ("output", "input", "scores", "projections")


@dataclass(frozen=True)
class Tap:
    """A tensor that a model computes.

    ```python
    Tap("block3/*")  # what the one layer with such a path returns
    Tap("pool", of="input")  # what it receives
    Tap("encoder_2/attention", of="scores")
    ```

    Args:
        selector: Which layer or operation: a glob on its name or path, a class, or a function of
            the layer, as in rules. It must match exactly one.
        of: `"output"` or `"input"` (the first argument). Of `keras.layers.MultiHeadAttention` and
            its subclasses also `"scores"`, of shape `(batch, heads, queries, keys)`, after the
            softmax; or `"projections"`, the tuple of queries, keys and values, each of shape
            `(batch, length, heads, size)`.
        call: Which call of a layer that is called several times in a step, an integer from 0.
            `None`: its only one.

    Raises:
        TypeError: If `selector` is none.
        ValueError: If `of` or `call` is none of these.
    """

    selector: Selector
    of: str = "output"
    call: int | None = None

    def __post_init__(self) -> None:
        Rule(self.selector, None)  # raises
        if self.of not in PARTS:
            raise ValueError(f"`of` must be one of {list(PARTS)}. Received: of={self.of!r}")
        is_index = isinstance(self.call, int) and not isinstance(self.call, bool)
        if self.call is not None and not (is_index and self.call >= 0):
            raise ValueError(
                "`call` must be the index of a call, an integer from 0, or `None`. "
                f"Received: call={self.call!r}"
            )

    def __str__(self) -> str:
        name = getattr(self.selector, "__name__", None) or repr(self.selector)
        return name if self.of == "output" else f"{name} ({self.of})"


def as_tap(given: Any) -> Tap:
    """Returns a `Tap`; a selector stands for the output."""
    return given if isinstance(given, Tap) else Tap(given)
