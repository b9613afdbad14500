"""A loss between features, as a step computes it."""

from __future__ import annotations

from typing import Any

import keras

from kerasopt import graph
from kerasopt.distillation.matching.alike import Alike
from kerasopt.distillation.matching.features import Features
from kerasopt.distillation.matching.pairs import pairs_of
from kerasopt.distillation.matching.projection import Projection
from kerasopt.distillation.teachers.teacher import Teacher
from kerasopt.training.taps import Probes


class Comparison:
    """The features of a student and of its teacher that one `Features` compares.

    Args:
        features: The `Features`.
        model: The model that trains.
        teacher: The teacher.
        sample: A batch of inputs, on which shapes are checked.
        name: String, unique among the comparisons in the model.

    Raises:
        ValueError: If a tap does not match, or the loss cannot compare what is read.
    """

    def __init__(
        self,
        features: Features,
        model: keras.Model,
        teacher: Teacher,
        sample: Any,
        name: str,
    ):
        self.loss, self.weight, self.name = features.loss, features.weight, name
        self.pairs = pairs_of(features, model, teacher, sample)
        self.ours = Probes([place for pair in self.pairs for place in pair.student])
        self.theirs = [place for pair in self.pairs for place in pair.teacher]
        formats = teacher.channels_first, graph.is_channels_first(model)
        self._alike = [Alike(self.loss.adapts, formats) for _ in self.pairs]
        self._model = model
        self._check(teacher, sample)

    @property
    def projections(self) -> list[Projection]:
        """The trained projections."""
        return [alike.projection for alike in self._alike if alike.projection is not None]

    def __call__(self, taught: list[Any], ours: list[Any], sample_weight: Any) -> Any:
        """Returns the loss, a scalar.

        Args:
            taught: What the teacher has read at the places `theirs`.
            ours: What `ours` has read of the model.
            sample_weight: Weights of the samples, or `None`.
        """
        total = keras.ops.zeros(())
        for pair, alike, (teacher, student) in zip(
            self.pairs, self._alike, self._grouped(taught, ours), strict=True
        ):
            try:
                total += self.loss(*alike(teacher, student), sample_weight)
            except ValueError as error:
                raise ValueError(
                    f"{error} Received: {pair} for features={self.loss.name!r}"
                ) from None
        return total / len(self.pairs)

    def remove(self) -> None:
        """Removes the projections from the model."""
        for projection in self.projections:
            projection.remove(self._model)

    def _grouped(self, taught: list[Any], ours: list[Any]) -> list[tuple[Any, Any]]:
        """Returns the tensors of each pair."""
        theirs, mine = iter(taught), iter(ours)
        return [(_next(theirs, pair.teacher), _next(mine, pair.student)) for pair in self.pairs]

    def _check(self, teacher: Teacher, sample: Any) -> None:
        """Makes projections where channels differ, and compares what both compute for a batch."""
        with self.ours.reading():
            self._model(sample, training=False)
            ours = self.ours.take()
        taught = teacher.example(sample, self.theirs)
        for index, (theirs, mine) in enumerate(self._grouped(taught, ours)):
            alike = self._alike[index]
            if "channels" in self.loss.adapts:
                wanted, given = (each.shape[-1] for each in alike(theirs, mine))
                if wanted != given:
                    name = f"{self.name}_{index}"
                    alike.projection = Projection(self._model, name, given, wanted)
        self(taught, ours, None)


def _next(values: Any, places: tuple) -> Any:
    read = [next(values) for _ in places]
    if len(read) > 1:
        return tuple(read)
    (value,) = read
    return tuple(value) if isinstance(value, (tuple, list)) else value
