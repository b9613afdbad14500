"""Regrowth that exchanges the weakest connections for others."""

import numbers

import keras
import numpy as np

from kerasopt import schedules
from kerasopt.schedules import Schedule
from kerasopt.schedules.times import Epochs, Horizon, Time
from kerasopt.sparsity.criteria import Magnitude
from kerasopt.sparsity.patterns.n_m import NM
from kerasopt.sparsity.regrowth.regrowth import Regrowth
from kerasopt.sparsity.scopes.scores import Scores
from kerasopt.sparsity.scopes.selection import keep_highest
from kerasopt.sparsity.target import Target
from kerasopt.training.optimizers.slots import optimizers_of, slots
from kerasopt.warning import warn


class Exchange(Regrowth):
    """Base class of regrowths that replace the weakest connections by as many others.

    In each layer the active groups of lowest magnitude are pruned; then, of all
    pruned groups, as many with the highest `growth` are revived. They start at
    zero, without momentum.

    Args:
        fraction: Float in (0, 1], the share of the active weights that the
            first exchange replaces.
        begin: Time from which exchanges are due.
        end: Time of the last one.
        frequency: Optimizer updates between two exchanges, or
            `kerasopt.epochs(n)`.
    """

    schedule: Schedule

    def __init__(
        self,
        fraction: float = 0.3,
        begin: Time = "0%",
        end: Time = "75%",
        frequency: int | Epochs = 100,
    ):
        real = isinstance(fraction, numbers.Real) and not isinstance(fraction, bool)
        if not real or not 0 < fraction <= 1:
            raise ValueError(
                "`fraction` is the share of the active weights to replace: more than 0, at most 1. "
                f"Received: fraction={fraction!r}"
            )
        self.fraction = fraction
        self.schedule = self.shares(fraction, begin, end, frequency)

    @staticmethod
    def shares(fraction, begin, end, frequency) -> Schedule:
        """Returns the schedule of the shares."""
        return schedules.Linear(fraction, fraction, begin, end, frequency)

    def growth(self, target: Target, update: int) -> np.ndarray:
        """Returns the growth score of each group: float array (count,)."""
        raise TypeError(f"{type(self).__name__} must define `growth`.")

    def check_pattern(self, pattern):
        super().check_pattern(pattern)
        if isinstance(pattern, NM):
            raise ValueError(
                "An exchange would leave more than N of M weights in some groups. With an N:M "
                'pattern pass `regrowth="straight_through"`. '
                f"Received: pattern='{pattern.alias}', regrowth={type(self).__name__}"
            )

    def attach(self, targets, model, attachments):
        super().attach(targets, model, attachments)
        weights = [weight for target in targets for weight in target.members]
        frozen = [str(weight) for weight in weights if not weight.stored.trainable]
        if frozen:
            raise ValueError(
                "Weights that grow back start at zero and must be trained, but these are frozen "
                "(by `trainable = False`, or under LoRA): exclude their layers with a rule `(name, "
                f"None)`, or do not pass `regrowth`. Received: regrowth={type(self).__name__}, "
                f"frozen weights={frozen[:3]}"
            )

    def check(self, horizon: Horizon) -> None:
        super().check(horizon)
        begin, end = self.schedule.span(horizon)
        first = self.schedule.next_due(begin, horizon)
        if horizon.total is not None and (first is None or first >= min(end, horizon.total)):
            warn(
                f"{type(self).__name__} makes at most one exchange in this training: it begins at "
                f"update {begin}, and the next exchange is due at update {first}. Pass a smaller "
                f"`frequency`, or train longer. Received: frequency={self.schedule.frequency!r}",
            )

    def exchange(self, targets, share, update, model):
        grown = {}
        for target in targets:
            live, scores = target.live, target.scores(Magnitude())
            pruned = scores.size - scores.size_of(live)
            dropped = round(share * scores.size_of(live))
            (kept,) = keep_highest([scores], pruned + dropped)
            growth = np.where(kept, np.inf, self.growth(target, update)).astype("float32")
            (kept,) = keep_highest([Scores(growth, scores.sizes, scores.shapes)], pruned)
            for weight in target.weights:
                grown[id(weight.stored)] = weight.grouping.expand(kept & ~live)
                _zero(weight.stored, grown[id(weight.stored)])
            target.keep(kept, revive=True)
        for optimizer in optimizers_of(model):
            for stored, slot in slots(optimizer):
                if id(stored) in grown:
                    _zero(slot, grown[id(stored)])

    def get_config(self):
        config = self.schedule.get_config()
        times = {name: config[name] for name in ("begin", "end", "frequency")}
        return {"fraction": self.fraction} | times

    @classmethod
    def from_config(cls, config):
        load = keras.saving.deserialize_keras_object
        times = ("begin", "end", "frequency")
        return cls(**config | {name: load(config[name]) for name in times if name in config})


def _zero(variable: keras.Variable, where: np.ndarray) -> None:
    variable.assign(keras.ops.where(where, 0.0, variable.value))
