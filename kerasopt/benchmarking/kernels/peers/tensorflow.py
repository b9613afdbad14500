"""Functions of tensors, kerasopt's own among them, as graphs of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasopt.benchmarking.kernels.case import Call


def call_of(function: Callable[..., Any], *inputs: np.ndarray) -> Call:
    """Returns a call that computes a function.

    The graph is called itself: a `tf.function` would compare its arguments with earlier ones first,
    which takes Python 100 microseconds and more.

    Args:
        function: A function of tensors.
        *inputs: Its arguments.
    """
    import tensorflow as tf

    tensors = [tf.constant(values) for values in inputs]
    graph = tf.function(function).get_concrete_function(*tensors)
    return lambda: graph(*tensors)


def function_call_of(function: Callable[..., Any], *inputs: np.ndarray) -> Call:
    """The same of the `tf.function`, as its users call it."""
    import tensorflow as tf

    run, tensors = tf.function(function), [tf.constant(values) for values in inputs]
    return lambda: run(*tensors)
