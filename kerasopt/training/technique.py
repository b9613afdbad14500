"""The table of techniques, through which others use them without naming them."""

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasopt.parametrization import Parametrization
from kerasopt.training.run import Run


class Summaries:
    """The values and images of a technique in TensorBoard, for each epoch of one training."""

    def scalars(self, model: keras.Model, sample: Any) -> Iterator[tuple[str, float]]:
        """Yields tags and values.

        Args:
            model: The model that trains.
            sample: A batch of its inputs to measure with, or `None`.
        """
        yield from ()

    def images(self, model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
        """Yields tags and images, uint8 of shape `(1, height, width, channels)`."""
        yield from ()


class Technique(abc.ABC):
    """A technique, as a row of the table.

    The drop-in layers, `kerasopt.callbacks.Compression`, `kerasopt.summary` and
    `kerasopt.callbacks.TensorBoard` find techniques in this table. A new technique consists of a
    parametrization (`kerasopt.parametrization.Parametrization`), a `Run`, a callback
    (`kerasopt.callbacks.TimedCallback`) and a row:

    ```python
    @ko.training.register_technique
    class Clamping(ko.training.Technique):
        arguments = {"limit": float}
        options = {"begin": "0%"}
        description = "limit: The largest magnitude of a weight. Defaults to `None`: any."

        def links(self, layer, parts, declared): ...

        def run(self, begin): ...
    ```

    Attributes:
        arguments: Dict of its arguments of the drop-in layers, each with the function that resolves
            and checks the value.
        description: String, the docstring of the arguments.
        options: Dict of its arguments of `Compression`, with their defaults. Techniques may share
            an option of the same name.
    """

    arguments: Mapping[str, Callable[[Any], Any]] = {}
    description = ""
    options: Mapping[str, Any] = {}

    @abc.abstractmethod
    def links(
        self, layer: keras.Layer, parts: list[tuple[str, keras.Layer]], declared: dict[str, Any]
    ) -> Iterator[tuple[str, Parametrization]]:
        """Yields the parametrizations that a drop-in layer attaches to itself when it is built.

        Args:
            layer: The layer.
            parts: List of (path prefix, part of the layer with weights).
            declared: Dict of the declared `arguments`, resolved.

        Returns:
            Iterator of (path below the layer, parametrization); the path is `"kernel"` or
            `"cell/kernel"`, for example.
        """

    @abc.abstractmethod
    def run(self, **options: Any) -> Run:
        """Returns a run for the layers that declare this technique (see `declaring_parts`).

        It attaches nothing if no layer declares it.

        Args:
            **options: The `options`.
        """

    def summaries(self) -> Summaries:
        """Returns the `Summaries` for TensorBoard of one training."""
        return Summaries()

    def figures(self, layer: keras.Layer) -> dict[str, float]:
        """Returns the columns of a layer in `kerasopt.summary`, by their titles."""
        return {}


_TECHNIQUES: list[Technique] = []


def register_technique(technique: type[Technique]) -> type[Technique]:
    """Adds a technique to the table; a class decorator."""
    _TECHNIQUES.append(technique())
    return technique


def techniques() -> tuple[Technique, ...]:
    """Returns the rows of the table."""
    return tuple(_TECHNIQUES)
