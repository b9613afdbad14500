"""Functions of tensors, kerasopt's own among them, as graphs of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kerasopt.benchmarking.kernels.case import Call


def call_of(function: Callable[..., Any], *inputs: np.ndarray) -> Call:
    """Returns a call that computes a function.

    Args:
        function: A function of tensors.
        *inputs: Its arguments.
    """
    import tensorflow as tf

    run, tensors = tf.function(function), [tf.constant(values) for values in inputs]
    return lambda: run(*tensors)
