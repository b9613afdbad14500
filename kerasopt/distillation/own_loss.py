"""The share of a model's own loss that belongs to some of its outputs."""

import keras

from kerasopt.distillation.outputs import Output
from kerasopt.keras_internals.training import CompileLoss


def own_loss(outputs: list[Output], places: list[int], y, y_pred, sample_weight):
    """Returns the own loss of a model, of some of its outputs only.

    Args:
        outputs: All outputs of the model, flat.
        places: Which of them count, among those that have a loss.
        y: Targets, as `fit` was given them.
        y_pred: The outputs' values.
        sample_weight: Weights of the samples, or `None`.
    """
    total = keras.ops.zeros(())
    names = [output.name for output in outputs]
    for place in places:
        losses = [each.loss if i == place else None for i, each in enumerate(outputs)]
        # One loss at a time: Keras keeps a metric, which is a variable, of each of several.
        loss = CompileLoss(keras.tree.pack_sequence_as(y_pred, losses), output_names=names)
        total = total + loss(y, y_pred, sample_weight) * outputs[place].weight
    return total
