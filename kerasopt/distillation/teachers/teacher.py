"""The base class of teachers."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasopt.distillation.outputs import Kind, Output, paths
from kerasopt.training.taps import Place, Tap


class NoWeights(ValueError):
    """A teacher had no weights before it was called."""


class Teacher(abc.ABC):
    """Gives the outputs, and features, that a student learns from.

    Attributes:
        name: String, for messages.
    """

    name: str

    def begin(  # noqa: B027
        self, student: keras.Model
    ) -> None:
        """Called before a training of `student`.

        Raises:
            ValueError: If it cannot learn from this teacher.
        """

    def end(self) -> None:  # noqa: B027
        """Called after a training, also after one that failed before it began."""

    def wrapped_step(self, step: Callable) -> Callable:
        """Returns what is called instead of a training or test step, with the same arguments."""
        return step

    @property
    def is_given(self) -> bool:
        """Whether `read` can be called in the current step."""
        return True

    @abc.abstractmethod
    def read(self, x: Any, places: Sequence[Place] = ()) -> tuple[Any, list[Any]]:
        """Returns the outputs for a batch, and the tensors of places, without gradients.

        Called in the compiled step.

        Args:
            x: The batch's inputs.
            places: What `find` has returned.
        """

    def example(self, sample: Any, places: Sequence[Place]) -> list[Any]:
        """Returns tensors of places, for a batch of inputs, before a training."""
        return self.read(sample, places)[1]

    @property
    def known_outputs(self) -> Any:
        """Its symbolic outputs, or `None` if they are not known before it is called."""
        return None

    def outputs_of(self, structure: Any) -> list[Output]:
        """Returns the `Output`s of what `read` has returned, flat."""
        return [
            Output(name, tuple(tensor.shape), Kind.UNKNOWN, None, 1.0)
            for name, tensor in zip(paths(structure), keras.tree.flatten(structure), strict=True)
        ]

    def find(self, tap: Tap) -> Place:
        """Returns the place of a tap.

        Raises:
            ValueError: If there is none, or the features of this teacher cannot be read.
        """
        raise ValueError(
            "Only the features of a Keras model, or of a cache that contains them, can be read. "
            f"Received: teacher={self.name}, and the tap {tap}"
        )

    def images_by_size(self, sample: Any) -> dict[tuple[int, ...], Place]:
        """Returns the last place of each size of images, for a batch of inputs."""
        return {}

    def variables_beside(self, student: keras.Model) -> list[keras.Variable]:
        """Returns the variables that `read` needs, and `student` and its metrics do not have."""
        return []

    @property
    def channels_first(self) -> bool:
        """Whether its images have channels first."""
        return False

    @property
    def readiness(self) -> Any:
        """The factor of its share in the loss, 0 or 1."""
        return 1.0

    def on_epoch_begin(self, epoch: int) -> None:  # noqa: B027
        """Called when an epoch begins."""

    def on_epoch_end(  # noqa: B027
        self, student: keras.Model, logs: dict | None
    ) -> None:
        """Called when an epoch ends, with its metrics."""
