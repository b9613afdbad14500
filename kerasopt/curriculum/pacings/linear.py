"""Pacing at a constant rate."""

from kerasopt.curriculum.pacings.pacing import PACINGS
from kerasopt.curriculum.pacings.root import RootPacing


@PACINGS.register("linear")
class LinearPacing(RootPacing):
    """The share grows at a constant rate.

    `c(t) = min(1, t * (1 - c0) + c0)`, the linear competence of Platanios et al. (2019,
    https://arxiv.org/abs/1903.09848): root pacing with `p=1`.

    ```python
    callback = ko.callbacks.Curriculum(data, pacing="linear", end="40%")
    ```

    Args:
        initial: The share at the beginning, `c0`, a float in `(0, 1]`.

    Raises:
        ValueError: If `initial` is outside its range.
    """

    def __init__(self, initial: float = 0.01):
        super().__init__(initial, p=1)

    def get_config(self) -> dict:
        return {"initial": self.initial}
