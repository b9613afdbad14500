"""Bit widths that decrease during training."""

from __future__ import annotations

from kerasopt.schedules.times import Horizon, Time, resolve, validate_time


class Progression:
    """The minimum bit widths of integers over the course of a training.

    Args:
        steps: List of (bits, until): integers have at least `bits` bits until
            that time, wider ones first, as in `[(8, "40%"), (6, "60%")]`.
    """

    def __init__(self, steps):
        self._steps: list[tuple[int, Time]] = []
        if not isinstance(steps, (tuple, list)):
            self._refuse(steps, "must be a list of pairs (bits, until)")
        for step in steps:
            if not isinstance(step, (tuple, list)) or len(step) != 2:
                self._refuse(steps, "must be a list of pairs (bits, until)")
            bits, until = step
            if type(bits) is not int or not 2 <= bits <= 16:
                self._refuse(steps, "must have widths from 2 to 16 bits")
            self._steps.append((bits, validate_time(until, "progressive")))
        if self.widths != sorted(set(self.widths), reverse=True):
            self._refuse(steps, "must have wider integers first")

    def _refuse(self, steps, why):
        raise ValueError(f'`progressive` {why}, as in [(8, "50%")]. Received: progressive={steps}')

    def __str__(self):
        return str(self._steps)

    @property
    def widths(self) -> list[int]:
        """The bit widths, in their order."""
        return [bits for bits, _ in self._steps]

    def times(self, horizon: Horizon) -> list[int]:
        """Returns the updates at which each width ends.

        Raises:
            ValueError: If they are not ascending.
        """
        times = [resolve(until, horizon, "progressive") for _, until in self._steps]
        if times != sorted(set(times)):
            self._refuse(self._steps, "must have ascending times")
        return times

    def bits(self, update: int, horizon: Horizon) -> int:
        """Returns the minimum number of bits; 0 when all widths have ended."""
        times = self.times(horizon)
        return next((bits for bits, end in zip(self.widths, times, strict=True) if update < end), 0)
