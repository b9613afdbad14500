"""What converters take: a TensorFlow function whose weights are constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def freeze(
    run: Callable[..., Sequence[Any]], specs: list[tf.TensorSpec], lower_loops: bool
) -> tuple[Any, Any]:
    """Returns a frozen function, and the one that it was made of, which keeps variables alive.

    Args:
        run: From tensors to a list of tensors.
        specs: What it takes.
        lower_loops: Whether loops become the operators of TensorFlow 1.
    """

    @tf.function(input_signature=specs)
    def function(*values):
        # An output that is an input, or another output, would have no tensor of its own.
        return [tf.identity(value) for value in run(*values)]

    concrete = function.get_concrete_function()
    return convert_variables_to_constants_v2(concrete, lower_control_flow=lower_loops), function
