"""The compiled forward pass that `benchmark` scores and times."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def compiled_forward(model: keras.Model, jit_compile: bool) -> Callable[[Any], Any]:
    """Returns a function that runs `model` on a batch and waits for the outputs.

    Args:
        model: A built `keras.Model`.
        jit_compile: Boolean, whether TensorFlow compiles the pass with XLA. JAX always does.
    """
    if keras.backend.backend() == "jax":
        import jax

        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]

        @jax.jit
        def forward(trainable, others, x):
            return model.stateless_call(trainable, others, x, training=False)[0]

        return lambda x: jax.block_until_ready(forward(trainable, others, x))

    import tensorflow as tf

    return tf.function(lambda x: model(x, training=False), jit_compile=jit_compile)


def batch_of(x: Any, rows: np.ndarray) -> Any:
    """Returns the examples at `rows` of an array, or of a structure of arrays, as tensors."""
    return keras.tree.map_structure(
        lambda array: keras.ops.convert_to_tensor(np.asarray(array)[rows]), x
    )


def predictions(forward: Callable[[Any], Any], x: Any, examples: int, batch_size: int) -> Any:
    """Returns the outputs for all examples, as an array.

    All batches have the same size, the last one padded by repetition, so that nothing is compiled
    for a remainder.
    """
    outputs = []
    for start in range(0, examples, batch_size):
        rows = np.arange(start, min(start + batch_size, examples))
        batch = forward(batch_of(x, np.resize(rows, batch_size)))
        outputs.append(keras.ops.convert_to_numpy(batch)[: len(rows)])
    return np.concatenate(outputs)
