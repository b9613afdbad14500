"""References by `id` or position in a model, which a copy must renew."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras.src.models.model import Trainer
from keras.src.ops.function import Function, make_node_key
from keras.src.ops.node import KerasHistory, Node
from keras.src.utils.tracking import Tracker

# Objects that belong to one model only: layers and operations, their calls, their state.
OWN = (keras.Operation, keras.KerasTensor, keras.Variable, Node, Tracker)

# Attributes that `compile` and `fit` leave on a model.
OF_TRAINING = frozenset(
    "optimizer loss _compile_loss _compile_metrics _compile_config _compiled_trainable_state "
    "_loss_tracker _eval_epoch_iterator _distributed_dataset _jax_state "
    "stop_training stop_evaluating stop_predicting".split()
)


def is_call(thing: Any) -> bool:
    """Whether an object is the node of a recorded call."""
    return isinstance(thing, Node)


def call_lists(state: dict[str, Any]) -> list[Any]:
    """Returns the lists of calls in all models, from the attributes of an operation."""
    return [state.get(name) for name in ("_inbound_nodes", "_outbound_nodes")]


def loss_lists(state: dict[str, Any]) -> list[Any]:
    """Returns the lists of losses of the last call, from the attributes of a layer."""
    return [state.get(name) for name in ("_losses", "_loss_ids", "_losses_override")]


def call_behind(thing: Any) -> list[Any]:
    """Returns the node of the call that returned a symbolic tensor, or nothing."""
    operation, index, _ = _history(thing)
    return [] if operation is None else operation._inbound_nodes[index : index + 1]


def calls_before(operation: keras.Operation, index: int) -> list[Any]:
    """Returns the nodes of the calls of an operation before one of them."""
    return operation._inbound_nodes[:index]


def state_without_value(variable: keras.Variable) -> dict[str, Any]:
    """Returns the attributes of a variable except for its value."""
    return {name: value for name, value in vars(variable).items() if name != "_value"}


def copy_value(source: keras.Variable, target: keras.Variable) -> None:
    """Gives a variable without a value a copy of another one's value, if there is one."""
    if vars(source).get("_value") is not None:
        target._initialize(keras.ops.copy(keras.ops.convert_to_tensor(source._value)))


def renew_references(
    thing: Any,
    made: Any,
    of: Callable[[Any], Any],
    copied_ids: Callable[[Iterable[int]], set[int]],
    place_of: Callable[[keras.Operation, int], int],
) -> None:
    """Renews the references of a copy by `id` or position.

    Args:
        thing: The object, one of `OWN` or a functional model.
        made: Its copy.
        of: Returns the copy of an object.
        copied_ids: Returns the ids of the copies of objects, given the ids of the objects.
        place_of: Returns the index of a call among the copied calls of its operation.
    """
    operation, index, position = _history(thing)
    if isinstance(thing, keras.KerasTensor) and hasattr(thing, "_keras_history"):
        index = index if operation is None else place_of(operation, index)
        made._keras_history = KerasHistory(of(operation), index, position)
    elif isinstance(thing, Tracker):
        # Its lists are shared with its layer, even if empty.
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
