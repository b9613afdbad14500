"""A saved state of a training, to go back to."""

import math
import zlib
from collections.abc import Iterable, Iterator

import keras
import numpy as np

from kerasopt.parametrization import links_by_slot, parametrized_layers
from kerasopt.training.model_state import ModelState, build_optimizer
from kerasopt.training.optimizers.hooked_optimizer import own_variables

# The state that records the layout of the copy.
_LAYOUT = "layout"
_NOT_TAKEN = -1


class Snapshot:
    """A copy of the weights and the optimizer of a model, kept in the model itself.

    Restoring it *rewinds* the training: the weights and batch normalization statistics, and the
    momentum and iterations of the optimizer, so that a learning rate schedule continues from there
    (Renda et al., 2020, https://arxiv.org/abs/2003.02389). Masks and ranges of parametrizations,
    seeds and metrics are not changed.

    The copy is handled by the trainer and contained in files and backups, so a resumed training can
    go back to before its interruption. It takes as much space as the model and the slots of its
    optimizer together (three times the weights with Adam), in memory and in files. Loading a file
    with a copy of another layout, as of another optimizer, leaves the snapshot empty.

    ```python
    snapshot = Snapshot.of(model, "rewind")
    snapshot.take()
    model.fit(x, y)
    snapshot.restore()
    ```

    `kerasopt.callbacks` measure time in optimizer updates: restore inside `Clock.held`. During
    `fit` on JAX, access `callback.model` before each use, which updates the variables.

    Args:
        model: A built and compiled model with this snapshot; use `Snapshot.of`.
        name: String, unique in the model.
        variables: List of the variables that are copied.
    """

    def __init__(self, model: keras.Model, name: str, variables: list[keras.Variable]):
        self._model = model
        self._name = name
        self._groups: dict[str, list[keras.Variable]] = {}
        for variable in variables:
            # One vector for each dtype: without conversions, every value is restored exactly.
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
        """The snapshot of this name, created if it does not exist.

        It covers the current weights and optimizers: variables that are added to an optimizer later
        (statistics of gradients) are neither copied nor restored.

        Args:
            model: A built and compiled model. Its optimizer is built if necessary.
            name: String, unique in the model.
            include: Further variables to copy, such as masks.

        Raises:
            ValueError: If the model is not built, or not compiled with an optimizer.
        """
        if not model.built or getattr(model, "optimizer", None) is None:
            raise ValueError(
                "A snapshot contains the weights of the model and the state of its optimizer: "
                f"build and compile the model first. Received: model={model.name}"
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
        """Copies the current values."""
        for dtype, group in self._groups.items():
            values = [keras.ops.convert_to_numpy(variable).ravel() for variable in group]
            self._vectors[dtype].assign(np.concatenate(values))
        self._taken.assign([self._layout])

    def forget(self) -> None:
        """Discards the copy."""
        self._taken.assign([_NOT_TAKEN])

    def restore(self) -> None:
        """Sets all variables to the copied values.

        Raises:
            ValueError: If nothing was copied.
        """
        if not self.is_taken:
            raise ValueError(
                "The snapshot is empty: call `take` before `restore`. Received: "
                f"model={self._model.name}"
            )
        for dtype, group in self._groups.items():
            for variable, values in _pieces(group, self._copy(dtype)):
                variable.assign(values)

    def hide(self, masked: Iterable[tuple[keras.Variable, keras.Variable]]) -> None:
        """Sets copied values to zero where a mask is false.

        Hidden values are not read, but files contain them: after a mask update this makes the copy
        as sparse as the model.

        Args:
            masked: Pairs of a variable (a weight, or a slot of the optimizer) and the boolean mask
                of its shape. Those that are not part of the snapshot are ignored.
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
        """Removes the snapshot from the model."""
        for part in (*self._groups, _LAYOUT):
            ModelState.remove(self._model, f"{self._name}_{part}")

    def _copy(self, dtype: str) -> np.ndarray:
        # The backend may return the memory of the variable itself.
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
