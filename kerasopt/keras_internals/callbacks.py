"""Private parts of Keras' callbacks."""

import contextlib
import functools
from typing import Any

import keras


def model_of(callback: keras.callbacks.Callback) -> keras.Model:
    """Returns the model of a callback, without updating its variables as `callback.model` does."""
    return callback._model


def find_direction(checkpoint: keras.callbacks.ModelCheckpoint) -> None:
    """Determines whether higher or lower is better for the metric of a checkpoint.

    Keras does so at the end of the first epoch, but `save_freq` may be shorter.
    """
    checkpoint._set_monitor_op()


def train_run(tensorboard: keras.callbacks.TensorBoard) -> contextlib.AbstractContextManager:
    """The scope in which summaries are written to the training run."""
    return tensorboard._train_writer.as_default()


def let_draw_booleans() -> None:
    """Makes Keras' weight images support boolean weights, such as masks."""
    log_image = keras.callbacks.TensorBoard._log_weight_as_image

    @functools.wraps(log_image)
    def log(self, weight, *args: Any, **kwargs: Any):
        if keras.backend.standardize_dtype(weight.dtype) == "bool":
            weight = keras.ops.cast(weight, "float32")
        return log_image(self, weight, *args, **kwargs)

    keras.callbacks.TensorBoard._log_weight_as_image = log
