"""The base class of pacing functions."""

from kerasopt.axis import Axis, Choices


class Pacing(Axis):
    """The share of the sorted samples that is in use, by the progress of the curriculum."""

    def __call__(self, progress: float) -> float:
        """Returns the share, a float in (0, 1], at a progress in [0, 1]."""
        raise TypeError(f"{type(self).__name__} must define `__call__`.")


PACINGS = Choices("pacing", Pacing)
