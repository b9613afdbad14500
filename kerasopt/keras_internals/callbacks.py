"""What Keras' own callbacks keep for themselves."""

import contextlib
import functools
from typing import Any

import keras


def model_of(callback: keras.callbacks.Callback) -> keras.Model:
    """Returns the model of a callback; on JAX `callback.model` brings its variables up to date."""
    return callback._model


def find_direction(checkpoint: keras.callbacks.ModelCheckpoint) -> None:
    """Finds whether the metric that a checkpoint watches is better up or down.

    Keras does so at the end of the first epoch; `save_freq` may come before.
    """
    checkpoint._set_monitor_op()


def train_run(tensorboard: keras.callbacks.TensorBoard) -> contextlib.AbstractContextManager:
    """The scope in which summaries belong to the run of training."""
    return tensorboard._train_writer.as_default()


def let_draw_booleans() -> None:
    """Lets Keras draw weights that are boolean, as masks are: it knows floats and integers only."""
    log_image = keras.callbacks.TensorBoard._log_weight_as_image

    @functools.wraps(log_image)
    def log(self, weight, *args: Any, **kwargs: Any):
        if keras.backend.standardize_dtype(weight.dtype) == "bool":
            weight = keras.ops.cast(weight, "float32")
        return log_image(self, weight, *args, **kwargs)

    keras.callbacks.TensorBoard._log_weight_as_image = log
