"""The outputs of a model, with what its compiled losses tell about them."""

import enum
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras

from kerasopt.keras_internals.training import compiled_losses, get_loss, is_told_logits

_OF_CLASSES = (
    keras.losses.categorical_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
)
_OF_DECISIONS = (keras.losses.binary_crossentropy, keras.losses.binary_focal_crossentropy)
_CLASSES = (*_OF_CLASSES, keras.losses.kl_divergence)
_DECISIONS = (*_OF_DECISIONS, keras.losses.hinge, keras.losses.squared_hinge)
# Losses of probabilities, or of logits if `from_logits` is true.
CROSSENTROPIES = (*_CLASSES, *_OF_DECISIONS)
_VALUES = (
    keras.losses.mean_squared_error,
    keras.losses.mean_absolute_error,
    keras.losses.mean_absolute_percentage_error,
    keras.losses.mean_squared_logarithmic_error,
    keras.losses.cosine_similarity,
    keras.losses.log_cosh,
    keras.losses.huber,
    keras.losses.poisson,
)


class Kind(enum.Enum):
    """The meaning of the values of an output."""

    LOGITS = "logits of classes"
    PROBABILITIES = "probabilities of classes"
    DECISIONS = "decisions, each for itself"
    VALUES = "values without classes"
    UNKNOWN = "unknown"


class Output(NamedTuple):
    """An output of a model.

    Attributes:
        name: String; empty if the only output has none.
        shape: Tuple.
        kind: `Kind`, derived from its compiled loss.
        loss: The compiled loss, or `None`.
        weight: The weight of its loss.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: Kind
    loss: keras.losses.Loss | None
    weight: Any

    def __str__(self):
        return f"Output '{self.name}'" if self.name else "The output"


def outputs_of(model: keras.Model, structure) -> list[Output]:
    """Returns the outputs of a model, flat.

    Args:
        model: A `keras.Model`, compiled or not.
        structure: Its outputs: tensors or symbolic tensors.
    """
    names, tensors = _names(model, structure), keras.tree.flatten(structure)
    compiled = compiled_losses(model)
    losses = weights = [None] * len(names)
    if compiled is not None:
        losses = spread(compiled.losses, structure, names)
        weights = spread(compiled.weights, structure, names)
    outputs = []
    for name, tensor, identifier, weight in zip(names, tensors, losses, weights, strict=True):
        loss = get_loss(identifier, tensor, tensor)
        weight = 1.0 if weight is None else weight
        outputs.append(Output(name, tuple(tensor.shape), kind_of(loss), loss, weight))
    return outputs


def spread(given, structure, names: list[str]) -> list:
    """Returns the item given for each output, flat; `None` if there is none.

    Args:
        given: One item for all outputs, or a dict or list of items, nested or
            flat.
        structure: The outputs.
        names: Their names, flat.
    """
    if not is_nested(given):
        return [given] * len(names)
    found = dict(paths_of(given))
    if not isinstance(given, dict):
        names = (
            paths(structure)
            if isinstance(structure, (list, tuple))
            else list(map(str, range(len(names))))
        )
    return [found.get(name) for name in names]


def is_nested(given) -> bool:
    """Whether items are given for several outputs; a config is a single item."""
    return isinstance(given, (list, tuple)) or (
        isinstance(given, dict) and "class_name" not in given
    )


def paths_of(given, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (path, item) for all given items."""
    for key, value in given.items() if isinstance(given, dict) else enumerate(given):
        path = f"{prefix}{key}"
        if is_nested(value):
            yield from paths_of(value, f"{path}/")
        else:
            yield path, value


def kind_of(loss: keras.losses.Loss | None) -> Kind:
    """Returns the kind of outputs that a loss expects."""
    function = getattr(loss, "fn", None)
    if function in _CLASSES:
        return Kind.LOGITS if takes_logits(loss) else Kind.PROBABILITIES
    if function in _DECISIONS:
        return Kind.DECISIONS
    return Kind.VALUES if function in _VALUES else Kind.UNKNOWN


def takes_logits(loss: keras.losses.Loss | None) -> bool | None:
    """Whether a loss expects logits; `None` if neither logits nor probabilities, or unknown."""
    known = getattr(loss, "fn", None) in CROSSENTROPIES
    return is_told_logits(loss) if known else None


def paths(structure) -> list[str]:
    """Returns the paths of tensors in a structure of them, flat."""
    return ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]


def _names(model, structure) -> list[str]:
    given = getattr(model, "output_names", None) or []
    flat = paths(structure)
    named = not isinstance(structure, dict) and len(set(given)) == len(flat)
    return list(given) if named else flat
