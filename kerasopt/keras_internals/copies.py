"""What refers to objects of a model by their `id` or their place, so that a copy needs it anew."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras.src.models.model import Trainer
from keras.src.ops.function import Function, make_node_key
from keras.src.ops.node import KerasHistory, Node
from keras.src.utils.tracking import Tracker

# What belongs to one model only: layers and operations, their calls, their state.
OWN = (keras.Operation, keras.KerasTensor, keras.Variable, Node, Tracker)

# What `compile` and `fit` leave on a model.
OF_TRAINING = frozenset(
    "optimizer loss _compile_loss _compile_metrics _compile_config _compiled_trainable_state "
    "_loss_tracker _eval_epoch_iterator _distributed_dataset _jax_state "
    "stop_training stop_evaluating stop_predicting".split()
)


def is_call(thing: Any) -> bool:
    """Whether something is the node of a recorded call."""
    return isinstance(thing, Node)


def call_lists(state: dict[str, Any]) -> list[Any]:
    """Returns, of the attributes of an operation, the lists of its calls in all models."""
    return [state.get(name) for name in ("_inbound_nodes", "_outbound_nodes")]


def loss_lists(state: dict[str, Any]) -> list[Any]:
    """Returns, of the attributes of a layer, the lists of what its last call added as a loss."""
    return [state.get(name) for name in ("_losses", "_loss_ids", "_losses_override")]


def call_behind(thing: Any) -> list[Any]:
    """Returns the node of the call that returned a symbolic tensor; none of anything else."""
    operation, index, _ = _history(thing)
    return [] if operation is None else operation._inbound_nodes[index : index + 1]


def calls_before(operation: keras.Operation, index: int) -> list[Any]:
    """Returns the nodes of the calls of an operation before one of them."""
    return operation._inbound_nodes[:index]


def state_without_value(variable: keras.Variable) -> dict[str, Any]:
    """Returns the attributes of a variable but for its value."""
    return {name: value for name, value in vars(variable).items() if name != "_value"}


def copy_value(source: keras.Variable, target: keras.Variable) -> None:
    """Gives a variable without any a copy of another one's value, if that has one."""
    if vars(source).get("_value") is not None:
        target._initialize(keras.ops.copy(keras.ops.convert_to_tensor(source._value)))


def renew_references(
    thing: Any,
    made: Any,
    of: Callable[[Any], Any],
    copied_ids: Callable[[Iterable[int]], set[int]],
    place_of: Callable[[keras.Operation, int], int],
) -> None:
    """Renews what a copy says of objects by their `id` or their place.

    Args:
        thing: The object, one of `OWN` or a functional model.
        made: Its copy.
        of: Returns the copy of an object.
        copied_ids: Returns the `id` of the copies of objects of which those are the `id`.
        place_of: Returns the place of a call among the copied ones of its operation.
    """
    operation, index, position = _history(thing)
    if isinstance(thing, keras.KerasTensor) and hasattr(thing, "_keras_history"):
        index = index if operation is None else place_of(operation, index)
        made._keras_history = KerasHistory(of(operation), index, position)
    elif isinstance(thing, Tracker):
        # Its lists are those of its layer, also while they are empty.
        made.config = {name: (kind, of(x)) for name, (kind, x) in thing.config.items()}
        made.stored_ids = {name: copied_ids(ids) for name, ids in thing.stored_ids.items()}
    elif isinstance(thing, Function):
        nodes = [node for each in made._nodes_by_depth.values() for node in each]
        places = [(x.operation, x.operation._inbound_nodes.index(x)) for x in nodes]
        made._nodes = {make_node_key(*place) for place in places}
    if isinstance(thing, keras.Model):
        Trainer.__init__(made)


def _history(thing: Any) -> tuple[Any, int, int]:
    is_symbol = isinstance(thing, keras.KerasTensor)
    found = getattr(thing, "_keras_history", None) if is_symbol else None
    return (None, 0, 0) if found is None else found
