"""The part of a model's own loss that belongs to some of its outputs."""

import keras

from kerasopt.distillation.outputs import Output
from kerasopt.keras_internals.training import CompileLoss


def own_loss(outputs: list[Output], places: list[int], y, y_pred, sample_weight):
    """Returns the model's own loss of some of its outputs.

    Args:
        outputs: All outputs of the model, flat.
        places: The positions of the outputs to include; those without a loss
            are ignored.
        y: Targets, as passed to `fit`.
        y_pred: The values of the outputs.
        sample_weight: Weights of the samples, or `None`.
    """
    total = keras.ops.zeros(())
    names = [output.name for output in outputs]
    for place in places:
        losses = [each.loss if i == place else None for i, each in enumerate(outputs)]
        # One loss at a time: with several, Keras creates metrics, which have variables.
        loss = CompileLoss(keras.tree.pack_sequence_as(y_pred, losses), output_names=names)
        total = total + loss(y, y_pred, sample_weight) * outputs[place].weight
    return total
