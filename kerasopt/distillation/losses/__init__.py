"""Distillation losses, and how one is resolved. Each loss is a file in this package."""

from typing import Any

import keras

from kerasopt.axis import find_class
from kerasopt.distillation.losses.loss import LOSSES
from kerasopt.distillation.outputs import CROSSENTROPIES, Kind, Output, takes_logits
from kerasopt.keras_internals.training import LossFunctionWrapper

LOSSES.load(__name__)

register = LOSSES.register


def serialize(loss: keras.losses.Loss) -> dict:
    """Returns the config of a distillation loss, like `keras.losses.serialize`."""
    return keras.saving.serialize_keras_object(loss)


def deserialize(config: dict) -> keras.losses.Loss:
    """Returns the distillation loss of a config that `serialize` returned."""
    return keras.saving.deserialize_keras_object(config)


def get(identifier) -> keras.losses.Loss | type:
    """Resolves a distillation loss, as Keras' `get` functions do.

    Args:
        identifier: An alias such as `"kl_divergence"`, the name of a Keras loss such as `"mse"`,
            a `keras.losses.Loss` or a function, which are called with the teacher's outputs and
            the student's, or a config dict.

    Returns:
        A `keras.losses.Loss`; for an alias its class, to be instantiated by `for_output`, if it has
        such a method.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, str) and identifier in LOSSES.aliases:
        choice = LOSSES.aliases[identifier][0]
        return choice if hasattr(choice, "for_output") else choice()
    try:
        loss = deserialize(identifier) if _is_config(identifier) else keras.losses.get(identifier)
    except (TypeError, ValueError):
        loss = None
    if isinstance(identifier, str) and loss is not None:
        function = _wrapped(loss).fn
        if function is keras.losses.kl_divergence:
            return LOSSES.classes["KLDivergence"]
        if function in CROSSENTROPIES:
            loss = None  # Keras' own have no temperature, and need `from_logits`
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return _wrapped(loss)
    aliases = ", ".join(map(repr, LOSSES.aliases))
    raise ValueError(
        f"`loss` must be {aliases}, the name of a Keras loss that compares values such as 'mse', "
        "a `keras.losses.Loss`, or a function of the outputs of the teacher and of the model. "
        f"Received: loss={identifier!r}"
    )


def suiting(output: Output) -> str:
    """Returns the alias of a loss for an output that another one does not suit."""
    one_unit = output.shape[-1] == 1
    if output.kind is Kind.DECISIONS or (one_unit and output.kind is Kind.UNKNOWN):
        return "binary"
    has_classes = not one_unit and output.kind in (Kind.LOGITS, Kind.PROBABILITIES)
    return "kl_divergence" if has_classes else "mse"


def _is_config(identifier) -> bool:
    return isinstance(identifier, dict) and "class_name" in identifier


def _wrapped(loss) -> keras.losses.Loss:
    if isinstance(loss, keras.losses.Loss):
        return loss
    return LossFunctionWrapper(loss, name=getattr(loss, "__name__", None))


def check_kinds(loss: keras.losses.Loss, output: Output, teacher: Output) -> None:
    """Raises `ValueError` if a Keras loss treats logits as probabilities, or the reverse."""
    needed = takes_logits(loss)
    if needed is None:
        return
    for owner, found, wanted in (
        ("the model", takes_logits(output.loss), needed),
        ("the teacher", takes_logits(teacher.loss), False),
    ):
        if found is not None and found is not wanted:
            kinds = ["probabilities", "logits"]
            raise ValueError(
                f"{output} of {owner} has {kinds[found]}, but the loss expects {kinds[wanted]}: "
                f"for classes pass 'kl_divergence', which supports both. Received: loss={loss}"
            )


def __getattr__(name: str) -> Any:
    return find_class(__name__, name, LOSSES)
