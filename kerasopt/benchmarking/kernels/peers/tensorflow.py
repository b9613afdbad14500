"""Functions of tensors, including kerasopt's own, as TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasopt.benchmarking.kernels.case import Call


def call_of(function: Callable[..., Any], *inputs: np.ndarray) -> Call:
    """Returns a call that computes a function.

    The graph is called directly: a `tf.function` would first compare its arguments with earlier
    ones, which takes 100 microseconds or more.

    Args:
        function: A function of tensors.
        *inputs: Its arguments.
    """
    import tensorflow as tf

    tensors = [tf.constant(values) for values in inputs]
    graph = tf.function(function).get_concrete_function(*tensors)
    return lambda: graph(*tensors)


def function_call_of(function: Callable[..., Any], *inputs: np.ndarray) -> Call:
    """Returns a call of the `tf.function`, as users call it."""
    import tensorflow as tf

    run, tensors = tf.function(function), [tf.constant(values) for values in inputs]
    return lambda: run(*tensors)
