"""Trained projections of a student's features."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasopt.training.model_state import ModelState


class Projection:
    """A linear map of channels, trained with the student and removed with the distillation.

    Its weights are states of the model: files and backups in the course of a training contain
    them, `model.weights` does not. (As the regressor of FitNets, https://arxiv.org/abs/1412.6550, a
    convolution of 1×1.)

    Args:
        model: The model that trains.
        name: String, unique in the model.
        inputs: Channels of the student.
        outputs: Channels of the teacher.
    """

    def __init__(self, model: keras.Model, name: str, inputs: int, outputs: int):
        self._names = [f"{name}_kernel", f"{name}_bias"]
        limit = (6 / (inputs + outputs)) ** 0.5  # Glorot and Bengio (2010)
        generator = np.random.default_rng([inputs, outputs])
        kernel = generator.uniform(-limit, limit, (inputs, outputs)).astype("float32")
        values = [kernel, np.zeros(outputs, "float32")]
        for each in self._names:  # left by a training that was interrupted
            ModelState.remove(model, each)
        states = [
            ModelState.of(model, each, value, is_trained=True)
            for each, value in zip(self._names, values, strict=True)
        ]
        self.variables = [state.state for state in states]

    def __call__(self, features: Any) -> Any:
        """Returns projected features; the last axis are channels."""
        kernel, bias = map(ops.convert_to_tensor, self.variables)
        return ops.add(ops.matmul(features, kernel), bias)

    def remove(self, model: keras.Model) -> None:
        """Removes the weights from the model, unless another training has replaced them."""
        for name, variable in zip(self._names, self.variables, strict=True):
            present = ModelState.find(model, name)
            if present is not None and present.state is variable:
                ModelState.remove(model, name)
