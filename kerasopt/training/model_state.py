"""State of a model that is not one of its weights."""

import contextlib

import keras
import numpy as np

from kerasopt.keras_internals.layers import unlocked, untrack
from kerasopt.keras_internals.saving import KerasSaveable
from kerasopt.parametrization import renew_functions


class ModelState(keras.random.SeedGenerator, KerasSaveable):
    """A named variable in which a technique keeps what it has to remember of a training.

    It is one of `model.variables`: every trainer carries it through its steps, it is mirrored on
    all replicas of a strategy, and weights files and `kerasopt.callbacks.BackupAndRestore` hold
    it. It is none of `model.weights` and `model.layers`, and `count_params` and `summary` leave
    it out, so the model looks as it did. A model without the state ignores it in a file.

    Keras has exactly one kind of state like that, a seed generator's, so this poses as one.

    ```python
    state = ModelState.of(model, "best", np.zeros((1,), "float32"))
    state.assign([0.9])
    state.numpy()  # array([0.9], dtype=float32)
    ModelState.remove(model, "best")
    ```

    During `fit` on JAX reach it through `callback.model`, which brings the variables up to date.

    Use `of` and `find` to get one.

    Args:
        name: String, unique in the model.
        initial: Array of any shape and dtype: the value until something is assigned, and again
            when a file is loaded that has no such state, or one of another shape.
    """

    def __init__(self, name: str, initial: np.ndarray):
        self.name = f"kerasopt_{name}"
        self.initial = initial
        self.state = keras.Variable(
            initial,
            dtype=str(initial.dtype),
            trainable=False,
            aggregation="only_first_replica",
            name=self.name,
        )

    @classmethod
    def of(cls, model: keras.Model, name: str, initial: np.ndarray) -> "ModelState":
        """The state of this name, shape and dtype, which `model` is given if it has none.

        One of the same name and another shape or dtype makes way for it.
        """
        present = cls.find(model, name)
        if present is not None and present.fits(initial):
            return present
        cls.remove(model, name)
        with unlocked(model), strategy_scope(model):
            setattr(model, _attribute(name), cls(name, initial))
        renew_functions(model)
        return getattr(model, _attribute(name))

    @staticmethod
    def find(model: keras.Model, name: str) -> "ModelState | None":
        """The state of this name, if `model` has one."""
        return getattr(model, _attribute(name), None)

    @staticmethod
    def remove(model: keras.Model, name: str) -> None:
        """Takes the state off `model`, if it has it."""
        present = ModelState.find(model, name)
        if present is not None:
            untrack(model, present)
            delattr(model, _attribute(name))
            renew_functions(model)

    @staticmethod
    def remove_all(model: keras.Model) -> None:
        """Takes all states off `model`."""
        for name in [name for name, value in vars(model).items() if isinstance(value, ModelState)]:
            ModelState.remove(model, name.removeprefix(_attribute("")))

    def numpy(self) -> np.ndarray:
        """The value."""
        return keras.ops.convert_to_numpy(self.state)

    def assign(self, value) -> None:
        """Sets the value."""
        self.state.assign(value)

    def fits(self, value: np.ndarray) -> bool:
        """Whether `value` has the shape and dtype of this state."""
        return (value.shape, value.dtype) == (self.initial.shape, self.initial.dtype)

    def _obj_type(self) -> str:
        return "Operation"

    def save_own_variables(self, store):
        store["0"] = self.numpy()

    def load_own_variables(self, store):
        stored = np.asarray(store["0"]) if "0" in store.keys() else None
        self.assign(stored if stored is not None and self.fits(stored) else self.initial)


def strategy_scope(model: keras.Model):
    """The scope in which variables of `model` are created, mirrored on all its replicas."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()


def _attribute(name: str) -> str:
    return f"_kerasopt_{name}"


def build_optimizer(model: keras.Model) -> None:
    """Creates the variables of the optimizer that the first step would create."""
    if model.optimizer is not None and not model.optimizer.built:
        with strategy_scope(model):
            model.optimizer.build(model.trainable_variables)
