"""The table of techniques: what others ask of each, so that none of them names one."""

import abc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerasopt.parametrization import Parametrization
from kerasopt.training.run import Run


class Summaries:
    """What a technique shows in TensorBoard, epoch by epoch of one training."""

    def scalars(self, model: keras.Model, sample: Any) -> Iterator[tuple[str, float]]:
        """Yields tags and values.

        Args:
            model: The model that trains.
            sample: A batch of its inputs to measure with; `None`: none was given.
        """
        yield from ()

    def images(self, model: keras.Model) -> Iterator[tuple[str, np.ndarray]]:
        """Yields tags and images, uint8 of shape `(1, height, width, channels)`."""
        yield from ()


class Technique(abc.ABC):
    """A row of the table of techniques.

    The drop-in layers, `kerasopt.callbacks.Compression`, `kerasopt.summary` and
    `kerasopt.callbacks.TensorBoard` know techniques by their rows. A new one plugs in with a link
    (`kerasopt.parametrization.Parametrization`), a `Run`, a callback
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
        arguments: Dict of the arguments of the drop-in layers that declare it, each with the
            function that resolves, and checks, what the user passes.
        description: String, the arguments as a docstring describes them.
        options: Dict of the arguments of `Compression` that it takes, with their defaults. Where
            several techniques have one of the same name, all take it.
    """

    arguments: Mapping[str, Callable[[Any], Any]] = {}
    description = ""
    options: Mapping[str, Any] = {}

    @abc.abstractmethod
    def links(
        self, layer: keras.Layer, parts: list[tuple[str, keras.Layer]], declared: dict[str, Any]
    ) -> Iterator[tuple[str, Parametrization]]:
        """Yields what a drop-in layer attaches to itself when it is built.

        Args:
            layer: The layer.
            parts: List of (prefix of its paths, part of the layer that has weights).
            declared: Dict of the `arguments` that the layer was given, resolved.

        Returns:
            Iterator of the path below the layer (`"kernel"`, `"cell/kernel"`) and the link.
        """

    @abc.abstractmethod
    def run(self, **options: Any) -> Run:
        """Returns a run that moves what the layers of a model declare (see `declaring_parts`).

        It attaches nothing to a model whose layers do not declare this technique.

        Args:
            **options: The `options`.
        """

    def summaries(self) -> Summaries:
        """Returns what TensorBoard shows of one training."""
        return Summaries()

    def figures(self, layer: keras.Layer) -> dict[str, float]:
        """Returns what `kerasopt.summary` shows of a layer, by the titles of the columns."""
        return {}


_TECHNIQUES: list[Technique] = []


def register_technique(technique: type[Technique]) -> type[Technique]:
    """Puts a technique into the table; a decorator of its class."""
    _TECHNIQUES.append(technique())
    return technique


def techniques() -> tuple[Technique, ...]:
    """Returns the rows of the table."""
    return tuple(_TECHNIQUES)
