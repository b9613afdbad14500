"""Features of a student that learn from those of its teacher."""

from __future__ import annotations

from typing import Any

from kerasopt.distillation.features import FEATURE_LOSSES, FeatureLoss
from kerasopt.distillation.scalar import not_negative
from kerasopt.training.taps import Tap

SAME_SIZE = "same_size"


class Features:
    """A loss between features of a student and of its teacher, and where they are read.

    ```python
    ko.distillation.Features("hint", [("block3/*", "stage2/out")], weight=10.0)
    ko.distillation.Features("attention_transfer")  # wherever images have equal sizes
    ko.distillation.Features("relations", [("layer_5/attention", "encoder_11/attention")])
    ```

    Args:
        loss: A loss of features, or its alias.
        taps: List of pairs of what is read of the student and of the teacher. Each is a
            `kerasopt.training.Tap`, or a selector as in rules (a glob on a name or path, a class, a
            function of the layer) that stands for what the loss compares: the output, for
            `"attention_maps"` the scores, and for `"relations"` the queries, keys and values of an
            attention layer, or a tuple of three selectors of layers that make them.
            `"same_size"`: the last outputs of each size of images that both models have, which are
            printed.
        weight: The factor of the loss, a number from 0 on or a `kerasopt.schedules.Schedule`. The
            terms of features are added to the others.

    Raises:
        TypeError: If a selector is none.
        ValueError: If the loss is unknown, `taps` is malformed, or the weight is negative.
    """

    def __init__(self, loss: Any, taps: Any = SAME_SIZE, weight: Any = 1.0):
        self.loss = FEATURE_LOSSES.get(loss)
        if not isinstance(self.loss, FeatureLoss):
            raise ValueError(
                "A loss of features must be a `kerasopt.distillation.FeatureLoss`, which says what "
                f"it compares: for Keras' mean squared error pass 'hint'. Received: loss={loss!r}"
            )
        self.weight = not_negative(weight, "weight")
        self.taps: list[tuple[Any, Any]] | None = None
        if taps != SAME_SIZE:
            if not isinstance(taps, (list, tuple)) or not taps or not all(map(_is_pair, taps)):
                raise ValueError(
                    "`taps` must be a list of pairs of a layer of the student and a layer of the "
                    f"teacher, or {SAME_SIZE!r}. Received: taps={taps!r}"
                )
            self.taps = [(self._taps(one), self._taps(other)) for one, other in taps]

    def _taps(self, given: Any) -> Tap | tuple[Tap, ...]:
        if isinstance(given, (tuple, list)):
            return tuple(each if isinstance(each, Tap) else Tap(each) for each in given)
        return given if isinstance(given, Tap) else Tap(given, of=self.loss.reads)


def _is_pair(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and len(given) == 2


def as_features(given: Any) -> list[Features]:
    """Returns the features of the argument of a callback: one, a list of them, or `None`."""
    items = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    return [each if isinstance(each, Features) else Features(each) for each in items]
