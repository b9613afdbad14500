"""Which distillation losses there are, and how one is resolved for an output."""

import keras

from kerasopt.distillation.kl_divergence import KLDivergence
from kerasopt.distillation.outputs import CROSSENTROPIES, Output, takes_logits
from kerasopt.keras_internals.training import LossFunctionWrapper

ALIASES = {loss.alias: loss for loss in (KLDivergence,)}


def serialize(loss: keras.losses.Loss) -> dict:
    """The config of a distillation loss, as `keras.losses.serialize` gives it."""
    return keras.saving.serialize_keras_object(loss)


def deserialize(config: dict) -> keras.losses.Loss:
    """The distillation loss of a config that `serialize` returned."""
    return keras.saving.deserialize_keras_object(config)


def get(identifier) -> keras.losses.Loss | type:
    """Resolves a distillation loss, as Keras' `get` functions do.

    Args:
        identifier: An alias such as `"kl_divergence"`, the name of a Keras loss such as `"mse"`,
            a `keras.losses.Loss` or a function, which are called with the teacher's outputs and
            the student's, or a config dict.

    Returns:
        A `keras.losses.Loss`; for an alias its class, which is made `for_output`.

    Raises:
        ValueError: If the identifier is none of these.
    """
    if isinstance(identifier, str) and identifier in ALIASES:
        return ALIASES[identifier]
    try:
        loss = deserialize(identifier) if _is_config(identifier) else keras.losses.get(identifier)
    except (TypeError, ValueError):
        loss = None
    if isinstance(identifier, str) and loss is not None:
        function = _wrapped(loss).fn
        if function is keras.losses.kl_divergence:
            return KLDivergence
        if function in CROSSENTROPIES:
            loss = None  # Keras' own have no temperature, and need to know what is logits
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return _wrapped(loss)
    raise ValueError(
        f"`loss` must be {', '.join(map(repr, sorted(ALIASES)))}, the name of a Keras loss that "
        "compares values such as 'mse', a `keras.losses.Loss`, or a function of the outputs of "
        f"the teacher and of the model. Received: loss={identifier!r}"
    )


def _is_config(identifier) -> bool:
    return isinstance(identifier, dict) and "class_name" in identifier


def _wrapped(loss) -> keras.losses.Loss:
    if isinstance(loss, keras.losses.Loss):
        return loss
    return LossFunctionWrapper(loss, name=getattr(loss, "__name__", None))


def check_kinds(loss: keras.losses.Loss, output: Output, teacher: Output) -> None:
    """Raises `ValueError` if a loss of Keras' takes logits for probabilities, or the reverse."""
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
                f"{output} of {owner} has {kinds[found]}, and the loss takes them for "
                f"{kinds[wanted]}: for classes take 'kl_divergence', which knows both. "
                f"Received: loss={loss}"
            )
