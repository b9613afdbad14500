"""What a model's outputs are: logits or probabilities."""

import keras

_CLASSIFICATION_LOSSES = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
)
_PROBABILITY_FUNCTIONS = (
    keras.losses.categorical_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.kl_divergence,
)


def outputs_are_logits(model: keras.Model) -> bool | None:
    """Whether the loss that a model is compiled with takes its outputs as logits.

    Args:
        model: A model; several outputs count if all their losses agree.

    Returns:
        `True` for logits, `False` for class probabilities, `None` if the model is not compiled, or
        its loss takes neither for certain.
    """
    answers = {_takes_logits(loss) for loss in keras.tree.flatten(getattr(model, "loss", None))}
    return answers.pop() if len(answers) == 1 else None


def _takes_logits(loss) -> bool | None:
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, _CLASSIFICATION_LOSSES):
        return loss.from_logits
    if isinstance(loss, keras.losses.KLDivergence) or loss in _PROBABILITY_FUNCTIONS:
        return False
    return None
