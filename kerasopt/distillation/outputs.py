"""The outputs of a model, and what the losses that it is compiled with say of them."""

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
# What takes probabilities, or logits if it says so.
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
    """What the numbers of an output are."""

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
        kind: `Kind`, as the loss tells that it is compiled with.
        loss: That loss; `None` if there is none.
        weight: What its loss is multiplied with.
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
        structure: What it returns: tensors, or symbols of them.
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
    """Returns what is given for each output, flat; `None` where nothing is.

    Args:
        given: One thing for all outputs, or things in a dict or list, nested or flat.
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
    """Whether something is given for several outputs; a config is one thing."""
    return isinstance(given, (list, tuple)) or (
        isinstance(given, dict) and "class_name" not in given
    )


def paths_of(given, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (path, thing) for all that is given."""
    for key, value in given.items() if isinstance(given, dict) else enumerate(given):
        path = f"{prefix}{key}"
        if is_nested(value):
            yield from paths_of(value, f"{path}/")
        else:
            yield path, value


def kind_of(loss: keras.losses.Loss | None) -> Kind:
    """Returns what a loss takes the outputs of a model for."""
    function = getattr(loss, "fn", None)
    if function in _CLASSES:
        return Kind.LOGITS if takes_logits(loss) else Kind.PROBABILITIES
    if function in _DECISIONS:
        return Kind.DECISIONS
    return Kind.VALUES if function in _VALUES else Kind.UNKNOWN


def takes_logits(loss: keras.losses.Loss | None) -> bool | None:
    """Whether a loss takes what it compares for logits; `None` if for neither, or unknown."""
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
