"""Trainings whose metric says what a test wants, epoch by epoch."""

import keras
import numpy as np
from techniques import models

import kerasopt as ko


class Scores(keras.callbacks.Callback):
    """Logs a score for each epoch, none where it is `None`, and notes the weights it is for."""

    def __init__(self, scores):
        super().__init__()
        self.scores, self.weights = scores, []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())
        if self.scores[epoch] is not None:
            logs["score"] = self.scores[epoch]


def make():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
    return model


def fit(model, *callbacks, **kwargs):
    """Trains by three updates an epoch; `Scores` go first."""
    arguments = {"verbose": 0, "shuffle": False} | kwargs
    return model.fit(models.Batches(model), callbacks=[*callbacks], **arguments)


def pruning(begin=4, end=8):
    """By default stage 0 at the end of epoch 0, 1 at that of epoch 1, then 2."""
    return ko.callbacks.Pruning(ko.schedules.Linear(0.0, 0.5, begin=begin, end=end))


def sparsity(model):
    masks = [mask.numpy().ravel() for _, mask in ko.sparsity.masked_variables(model)]
    return 1 - np.concatenate(masks).mean()
