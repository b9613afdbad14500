"""How long a compiled forward pass takes."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

WARM_UP_CALLS = 3


def median_latencies(
    models: Sequence[keras.Model], x: Any, batch_size: int, repeats: int, jit_compile: bool
) -> list[float]:
    """Times the forward passes of models against each other.

    The models take turns, so that what else the machine does meanwhile meets all of them and
    leaves their ratios alone.

    Args:
        models: The models.
        x: Input array, or structure of arrays, of at least one example.
        batch_size: Integer. Examples are repeated if `x` has fewer.
        repeats: Integer, how often each model is timed after a few calls to warm up.
        jit_compile: Boolean, whether TensorFlow compiles the pass with XLA. JAX always does.

    Returns:
        The median of each model, in seconds.
    """
    batch = keras.tree.map_structure(lambda array: _batch(array, batch_size), x)
    calls = [_compiled_forward(model, batch, jit_compile) for model in models]
    for call in calls:
        for _ in range(WARM_UP_CALLS):
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, measured in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            measured.append(time.perf_counter() - start)
    return [statistics.median(measured) for measured in seconds]


def _batch(array: Any, batch_size: int) -> Any:
    # `resize` repeats the examples as often as it takes.
    rows = np.resize(np.arange(len(array)), batch_size)
    return keras.ops.convert_to_tensor(np.asarray(array)[rows])


def _compiled_forward(model: keras.Model, batch: Any, jit_compile: bool) -> Callable[[], Any]:
    """Returns a function that runs `model` on `batch` and waits for the result."""
    if keras.backend.backend() == "jax":
        import jax

        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        forward = jax.jit(
            lambda trainable, others, x: model.stateless_call(trainable, others, x, training=False)
        )
        return lambda: jax.block_until_ready(forward(trainable, others, batch))

    import tensorflow as tf

    function = tf.function(lambda x: model(x, training=False), jit_compile=jit_compile)
    return lambda: function(batch)
