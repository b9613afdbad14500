"""Pacing by a root of the progress."""

import math

from kerasopt.curriculum.pacings.pacing import PACINGS, Pacing


@PACINGS.register("root")
class RootPacing(Pacing):
    """The share grows fast at first, and more slowly as more samples are in use.

    With the progress `t` in `[0, 1]`, the first share `c0` and the exponent `p`, the share (the
    *competence* of the model) is

        c(t) = min(1, (t * (1 - c0 ** p) + c0 ** p) ** (1 / p))

    which is the root competence of Platanios et al., "Competence-based Curriculum Learning for
    Neural Machine Translation" (NAACL 2019, https://arxiv.org/abs/1903.09848); `p=2` is their
    square root. Growth is inversely proportional to `c ** (p - 1)`: the more samples are in use,
    the more slowly new ones are added, which leaves time to learn them.

    ```python
    pacing = ko.curriculum.RootPacing(initial=0.1, p=3)
    callback = ko.callbacks.Curriculum(data, pacing=pacing, end="40%")
    ```

    Args:
        initial: The share at the beginning, `c0`, a float in `(0, 1]`.
        p: The degree of the root, a float of at least 1.

    Raises:
        ValueError: If `initial` or `p` is outside its range.
    """

    def __init__(self, initial: float = 0.01, p: float = 2.0):
        if not 0 < initial <= 1:
            raise ValueError(
                f"`initial` must be a share of the samples in (0, 1]. Received: initial={initial!r}"
            )
        if not 1 <= p < math.inf:
            raise ValueError(f"`p` must be a number of at least 1. Received: p={p!r}")
        self.initial = float(initial)
        self.p = float(p)

    def __call__(self, progress: float) -> float:
        start = self.initial**self.p
        return min(1.0, (progress * (1 - start) + start) ** (1 / self.p))

    def get_config(self) -> dict:
        return {"initial": self.initial, "p": self.p}
