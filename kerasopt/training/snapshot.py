"""The values of a training at one moment, to go back to."""

import math
import zlib
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from kerasopt.parametrization import links_by_slot, parametrized_layers
from kerasopt.training.model_state import ModelState, build_optimizer
from kerasopt.training.optimizers.hooked_optimizer import own_variables

# The state that tells the layout of what was copied.
_LAYOUT = "layout"
_NOT_TAKEN = -1


class Snapshot:
    """A copy of the weights and the optimizer of a model, kept in the model itself.

    Restoring it *rewinds* the training: to the weights and statistics of batch normalization, and
    to the momentum and the iterations of the optimizer, so that a learning rate schedule begins
    again where it was (Renda et al., 2020, https://arxiv.org/abs/2003.02389). The masks and ranges
    of parametrizations, seeds and metrics stay as they are.

    The copy is carried by the trainer, and held by files and backups: a training that is resumed
    can go back to a moment before it was interrupted. It takes as much room as the model and the
    slots of its optimizer together (three times the weights with Adam), in memory and in files.
    A file with a copy of another layout, as of another optimizer, leaves it untaken.

    ```python
    snapshot = Snapshot.of(model, "rewind")
    snapshot.take()
    model.fit(x, y)
    snapshot.restore()
    ```

    `kerasopt.callbacks` count time in optimizer updates: restore inside `Clock.held`. During `fit`
    on JAX, get `callback.model` before each use, which brings the variables up to date.

    Args:
        model: A built and compiled model that has this snapshot; use `Snapshot.of`.
        name: String, unique in the model.
        variables: List of the variables that are copied.
    """

    def __init__(self, model: keras.Model, name: str, variables: list[keras.Variable]):
        self._model = model
        self._name = name
        self._groups: dict[str, list[keras.Variable]] = {}
        for variable in variables:
            # One vector for each dtype: nothing is converted, so every value comes back exactly.
            self._groups.setdefault(variable.dtype, []).append(variable)
        self._vectors = {
            dtype: ModelState.of(model, f"{name}_{dtype}", np.zeros(sum(_sizes(group)), dtype))
            for dtype, group in self._groups.items()
        }
        self._layout = zlib.crc32(repr([(v.shape, v.dtype) for v in variables]).encode()) >> 1
        self._taken = ModelState.of(model, f"{name}_{_LAYOUT}", np.array([_NOT_TAKEN], "int32"))

    @classmethod
    def of(
        cls, model: keras.Model, name: str, include: Iterable[keras.Variable] = ()
    ) -> "Snapshot":
        """The snapshot of this name, which `model` is given if it has none.

        It covers the weights and the optimizers that the model has at this time: what is added to
        an optimizer later (statistics of gradients) is neither copied nor restored.

        Args:
            model: A built and compiled model. Its optimizer is built here if it is not yet.
            name: String, unique in the model.
            include: Variables to copy, too, such as masks.

        Raises:
            ValueError: If the model is not built, or not compiled with an optimizer.
        """
        if not model.built or getattr(model, "optimizer", None) is None:
            raise ValueError(
                "A snapshot holds the weights of the model and the state of its optimizer: build "
                f"and compile the model first. Received: model={model.name}"
            )
        build_optimizer(model)
        state = {id(variable) for variable in _parametrization_state(model)}
        weights = [variable for variable in model.weights if id(variable) not in state]
        optimizers = [v for v in vars(model).values() if isinstance(v, keras.optimizers.Optimizer)]
        slots = [variable for optimizer in optimizers for variable in own_variables(optimizer)]
        return cls(model, name, [*weights, *include, *slots])

    @property
    def copies(self) -> list[keras.Variable]:
        """The variables that hold the copy."""
        return [copy.state for copy in (*self._vectors.values(), self._taken)]

    @property
    def is_taken(self) -> bool:
        """Whether there is something to restore."""
        return int(self._taken.numpy()[0]) == self._layout

    def take(self) -> None:
        """Copies the present values."""
        for dtype, group in self._groups.items():
            values = [keras.ops.convert_to_numpy(variable).ravel() for variable in group]
            self._vectors[dtype].assign(np.concatenate(values))
        self._taken.assign([self._layout])

    def forget(self) -> None:
        """Lets there be nothing to restore."""
        self._taken.assign([_NOT_TAKEN])

    def restore(self) -> None:
        """Sets all variables to the values that were copied.

        Raises:
            ValueError: If nothing was copied.
        """
        if not self.is_taken:
            raise ValueError(
                "There is nothing to go back to: call `take` before `restore`. "
                f"Received: model={self._model.name}"
            )
        for dtype, group in self._groups.items():
            for variable, values in _pieces(group, self._copy(dtype)):
                variable.assign(values)

    def hide(self, masked: Iterable[tuple[keras.Variable, keras.Variable]]) -> None:
        """Sets copied values to zero where a mask is false.

        Nothing reads what a mask hides, but files hold it: after each move of the masks this makes
        the copy as sparse as the model.

        Args:
            masked: Pairs of a variable (a weight, or a slot of the optimizer) and the boolean mask
                of its shape. Those that are no part of the snapshot change nothing.
        """
        masks = {id(variable): mask for variable, mask in masked}
        for dtype, group in self._groups.items():
            if self.is_taken and any(id(variable) in masks for variable in group):
                vector = self._copy(dtype)
                for variable, values in _pieces(group, vector):
                    if id(variable) in masks:
                        values[~keras.ops.convert_to_numpy(masks[id(variable)])] = 0
                self._vectors[dtype].assign(vector)

    def remove(self) -> None:
        """Takes the snapshot off the model."""
        for part in (*self._groups, _LAYOUT):
            ModelState.remove(self._model, f"{self._name}_{part}")

    def _copy(self, dtype: str) -> np.ndarray:
        # What the backend gives may be the memory of the variable itself.
        return np.array(self._vectors[dtype].numpy())


def _pieces(
    variables: list[keras.Variable], vector: np.ndarray
) -> Iterator[tuple[keras.Variable, np.ndarray]]:
    """Yields each variable with its part of the vector, in its shape."""
    ends = np.cumsum(_sizes(variables))
    for variable, values in zip(variables, np.split(vector, ends[:-1]), strict=True):
        yield variable, values.reshape(variable.shape)


def _sizes(variables: list[keras.Variable]) -> list[int]:
    return [math.prod(variable.shape) for variable in variables]


def _parametrization_state(model: keras.Model) -> Iterator[keras.Variable]:
    for layer in parametrized_layers(model):
        for _, link in links_by_slot(layer):
            yield from link.variables
