"""A cache as the teacher of a training."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kerasopt.distillation.caching.dataset import TEACHER
from kerasopt.distillation.outputs import Output
from kerasopt.distillation.teachers.teacher import Teacher
from kerasopt.training.taps import Place, Tap

if TYPE_CHECKING:
    from kerasopt.distillation.caching.cached_teacher import CachedTeacher


class AttendedCache(Teacher):
    """Gives what the batches of a cached dataset carry.

    Args:
        cached: The `CachedTeacher`.
    """

    def __init__(self, cached: CachedTeacher):
        self.name = cached.name
        self._cached = cached
        self._local = threading.local()  # a strategy traces each replica in a thread

    def begin(self, student: keras.Model) -> None:
        self._cached.attending.add(self)

    def end(self) -> None:
        self._cached.attending.discard(self)

    def on_epoch_begin(self, epoch: int) -> None:
        self._cached.set_epoch(epoch)

    def wrapped_step(self, step: Callable) -> Callable:
        """Returns a step that takes the teacher's part out of the batch."""

        def taught_step(*args: Any) -> Any:
            *state, data = args
            x, y, third = keras.utils.unpack_x_y_sample_weight(data)
            self._local.given = None
            if isinstance(third, dict) and TEACHER in third:
                self._local.given = third[TEACHER]
                y = None if isinstance(y, tuple) and not y else y
                data = (x, y, third["sample_weight"])
            return step(*state, data)

        return taught_step

    @property
    def is_given(self) -> bool:
        return getattr(self._local, "given", None) is not None

    def read(self, x: Any, places: Sequence[Place] = ()) -> tuple[Any, list[Any]]:
        given = getattr(self._local, "given", None)
        if given is None:
            raise ValueError(
                "The batches of `fit` carry nothing of the cached teacher: pass "
                "`cached.dataset(x, y)` to `fit`, of the cache that the callback has. Received: "
                f"teacher={self.name}, and other data"
            )
        features = [given["features"][place.operation] for place in places]
        return keras.tree.map_structure(ops.convert_to_tensor, (given["outputs"], features))

    def example(self, sample: Any, places: Sequence[Place]) -> list[Any]:
        batch = len(keras.tree.flatten(sample)[0])
        specs = [self._cached.structure["features"][place.operation] for place in places]
        return [ops.zeros((batch, *each.shape[1:]), each.dtype) for each in specs]

    @property
    def known_outputs(self) -> Any:
        return self._cached.structure["outputs"]

    def outputs_of(self, structure: Any) -> list[Output]:
        tensors = keras.tree.flatten(structure)
        known = zip(self._cached.outputs, tensors, strict=True)
        return [output._replace(shape=tuple(tensor.shape)) for output, tensor in known]

    def find(self, tap: Tap) -> Place:
        stored = self._cached.taps
        for index, (path, each) in enumerate(stored):
            if each == tap or (_names(tap, path) and (each.of, each.call) == (tap.of, tap.call)):
                return Place(path, index, tap)
        raise ValueError(
            f"The cache does not contain the tap {tap}: make it with `taps=[...]` that name "
            f"all features to learn. Received: taps={[path for path, _ in stored]} in the cache"
        )

    @property
    def channels_first(self) -> bool:
        return self._cached.channels_first


def _names(tap: Tap, path: str) -> bool:
    """Whether a tap is a glob for the path, or the name at its end, of a layer."""
    names = (path, path.rpartition("/")[2])
    selector = tap.selector
    return isinstance(selector, str) and any(fnmatch.fnmatchcase(x, selector) for x in names)
