"""Calls functions of NumPy arrays in a compiled step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np


def called_on_host(
    function: Callable[[list[np.ndarray]], list[np.ndarray]],
    inputs: list[Any],
    outputs: list[tuple[tuple[int, ...], str]],
) -> list[Any]:
    """Calls a function of arrays with tensors of a compiled step.

    Args:
        function: Function from a list of arrays to a list of arrays.
        inputs: List of tensors, the first axis of which is the batch.
        outputs: Shape without the batch, and dtype, of each array it returns.
    """

    def call(*arrays: Any) -> list[np.ndarray]:
        results = function([np.asarray(each) for each in arrays])
        return [np.asarray(x, dtype) for x, (_, dtype) in zip(results, outputs, strict=True)]

    if keras.config.backend() == "jax":
        import jax

        batch = inputs[0].shape[0]
        specs = [jax.ShapeDtypeStruct((batch, *shape), dtype) for shape, dtype in outputs]
        return jax.pure_callback(call, specs, *inputs)
    import tensorflow as tf

    results = tf.numpy_function(call, inputs, [dtype for _, dtype in outputs])
    for result, (shape, _) in zip(results, outputs, strict=True):
        result.set_shape((inputs[0].shape[0], *shape))
    return list(results)
