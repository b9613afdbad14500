"""Regrowth: what revives pruned weights, so that a sparse network may change its connections."""

import zlib

import keras
import numpy as np

from kerasopt import schedules
from kerasopt.parametrization import Attachments
from kerasopt.schedules import Schedule
from kerasopt.sparsity.axis import Axis, resolve
from kerasopt.sparsity.criteria import Magnitude
from kerasopt.sparsity.gradient_statistics import unwatch_gradients, watch_gradients
from kerasopt.sparsity.optimizer_slots import optimizers_of, slots
from kerasopt.sparsity.scores import Scores
from kerasopt.sparsity.selection import keep_highest
from kerasopt.sparsity.target import Target
from kerasopt.times import Time


class Regrowth(Axis):
    """Exchanges connections: the weakest go, as many others come, and sparsity stays.

    Args:
        schedule: A `Schedule` of the share of the live weights of a layer that
            an exchange replaces. The first exchange is one `frequency` after
            its `begin`.
    """

    # How masks have to be; see `Mask`.
    dense_gradient = False
    keeps_hidden = False

    def __init__(self, schedule: Schedule):
        self.schedule = schedule

    def attach(self, targets: list[Target], model: keras.Model, attachments: Attachments) -> None:
        """Gathers what `growth` needs, until the training ends."""

    def growth(self, target: Target, update: int) -> np.ndarray:
        """Returns how much each group of `target` deserves to be revived: (count,), positive."""
        raise TypeError(f"{type(self).__name__} must define `growth`.")

    def exchange(
        self, targets: list[Target], share: float, update: int, model: keras.Model
    ) -> None:
        """Replaces connections in every target by itself.

        The live groups of lowest magnitude go, and of all groups that are
        pruned then those of the highest `growth` come. They start at zero, with
        no momentum.

        Args:
            targets: List of `Target`.
            share: Float in [0, 1], the share of the live weights to replace.
            update: Integer, the optimizer update.
            model: The model, for the state of its optimizer.
        """
        grown = {}
        for target in targets:
            live = target.live
            scores = target.scores(Magnitude())
            pruned = scores.size - scores.size_of(live)
            dropped = round(share * scores.size_of(live))
            (kept,) = keep_highest([scores], pruned + dropped)
            growth = np.where(kept, np.inf, self.growth(target, update)).astype("float32")
            (kept,) = keep_highest([Scores(growth, scores.sizes, scores.shapes)], pruned)
            for weight in target.weights:
                grown[id(weight.stored)] = weight.grouping.expand(kept & ~live)
                weight.stored.assign(np.where(grown[id(weight.stored)], 0, weight.stored.numpy()))
            target.keep(kept, revive=True)
        for optimizer in optimizers_of(model):
            for weight, slot in slots(optimizer):
                if id(weight) in grown:
                    slot.assign(np.where(grown[id(weight)], 0, slot.numpy()))

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule)}
