"""State of a model outside of its weights."""

import contextlib

import keras
import numpy as np

from kerasopt.keras_internals.layers import unlocked, untrack
from kerasopt.keras_internals.saving import KerasSaveable
from kerasopt.keras_internals.training import build_metrics, has_unbuilt_metrics
from kerasopt.parametrization import renew_functions


class ModelState(keras.random.SeedGenerator, KerasSaveable):
    """A named variable in which a technique keeps its state of a training.

    It is one of `model.variables`: every trainer handles it, it is mirrored on all replicas of a
    strategy, and weights files and `kerasopt.callbacks.BackupAndRestore` contain it. It is not part
    of `model.weights`, `model.layers`, `count_params` and `summary`. A model without the state
    ignores it in a file. The only such state in Keras is that of seed generators, so this class
    derives from them.

    ```python
    state = ModelState.of(model, "best", np.zeros((1,), "float32"))
    state.assign([0.9])
    state.numpy()  # array([0.9], dtype=float32)
    ModelState.remove(model, "best")
    ```

    During `fit` on JAX, access it through `callback.model`, which updates the variables.

    Use `of` and `find` to get one.

    Args:
        name: String, unique in the model.
        initial: Array of any shape and dtype: the initial value, restored when a file without this
            state, or with another shape, is loaded.
        is_trained: Boolean, whether the optimizer trains it. The optimizer follows by
            `follow_trainable_variables`.
    """

    def __init__(self, name: str, initial: np.ndarray, is_trained: bool = False):
        self.name = f"kerasopt_{name}"
        self.initial = initial
        self.state = keras.Variable(
            initial,
            dtype=str(initial.dtype),
            trainable=is_trained,
            aggregation="none" if is_trained else "only_first_replica",
            name=self.name,
        )
        self.state._is_of_state = True

    @classmethod
    def of(
        cls, model: keras.Model, name: str, initial: np.ndarray, is_trained: bool = False
    ) -> "ModelState":
        """The state of this name, shape and dtype, created if it does not exist.

        It replaces one of the same name with another shape or dtype.
        """
        present = cls.find(model, name)
        if present is not None and present.fits(initial):
            return present
        cls.remove(model, name)
        with unlocked(model), strategy_scope(model):
            setattr(model, _attribute(name), cls(name, initial, is_trained))
        renew_functions(model)
        return getattr(model, _attribute(name))

    @staticmethod
    def find(model: keras.Model, name: str) -> "ModelState | None":
        """The state of this name, or `None`."""
        return getattr(model, _attribute(name), None)

    @staticmethod
    def remove(model: keras.Model, name: str) -> None:
        """Removes the state from `model`, if it exists."""
        present = ModelState.find(model, name)
        if present is not None:
            untrack(model, present)
            delattr(model, _attribute(name))
            renew_functions(model)

    @staticmethod
    def remove_all(model: keras.Model) -> None:
        """Removes all states from `model`."""
        for name in [name for name, value in vars(model).items() if isinstance(value, ModelState)]:
            ModelState.remove(model, name.removeprefix(_attribute("")))

    @staticmethod
    def trained(model: keras.Model) -> list[keras.Variable]:
        """Returns the variables of the states of `model` that are trained."""
        states = [value for value in vars(model).values() if isinstance(value, ModelState)]
        return [each.state for each in states if each.state.trainable]

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


def is_of_state(variable: keras.Variable) -> bool:
    """Whether a variable is that of a `ModelState`, or was before its removal."""
    return getattr(variable, "_is_of_state", False)


def strategy_scope(model: keras.Model):
    """The scope in which variables of `model` are created, mirrored on all its replicas."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy is not None else contextlib.nullcontext()


def _attribute(name: str) -> str:
    return f"_kerasopt_{name}"


def build_optimizer(model: keras.Model) -> None:
    """Creates the variables of the optimizer, as the first step would."""
    if model.optimizer is not None and not model.optimizer.built:
        with strategy_scope(model):
            model.optimizer.build(model.trainable_variables)


def build_for_step(model: keras.Model) -> None:
    """Creates the variables that the first step would create, if that is Keras' own.

    On TensorFlow a step that creates variables is traced a second time. On JAX Keras creates them
    itself.
    """
    if getattr(model.train_step, "__func__", None) is not keras.Model.train_step:
        return
    if model.trainable_variables:
        # The step would name the variables so.
        with keras.name_scope(model.optimizer.name, caller=model.optimizer):
            build_optimizer(model)
    if has_unbuilt_metrics(model):
        step = model.train_function

        def first_step(iterator):
            model.train_function = step
            build_metrics(model, iterator.element_spec)
            return step(iterator)

        model.train_function = first_step
