"""What converters take: a TensorFlow function whose weights are constants."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.autograph.impl.api import StagingError
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from kerasopt.exporters.parts import ShapeMismatch
from kerasopt.exporters.quiet import quiet
from kerasopt.exporters.replacements import REPLACEMENTS
from kerasopt.exporters.replacing import replaced


def freeze(
    run: Callable[..., Sequence[Any]],
    specs: list[tf.TensorSpec],
    names: list[str],
    lower_loops: bool,
) -> tuple[Any, Any]:
    """Returns a frozen function, and the one that it was made of, which keeps variables alive.

    Args:
        run: From tensors to a list of tensors.
        specs: What it takes.
        names: Paths of what it computes, for messages.
        lower_loops: Whether loops become the operators of TensorFlow 1.

    Raises:
        ValueError: If it cannot be traced, or writes to variables.
    """

    @tf.function(input_signature=specs)
    def function(*values):
        # An output that is an input, or another output, would have no tensor of its own.
        return [tf.identity(value) for value in run(*values)]

    concrete = _traced(function, names)
    _require_constant(concrete, names)
    with quiet():
        frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=lower_loops)
    return replaced(frozen, REPLACEMENTS), function


def _traced(function: Any, names: list[str]) -> Any:
    try:
        with _inlined(), _products_of_matrices():
            return function.get_concrete_function()
    except StagingError as error:
        if isinstance(error.__context__, ShapeMismatch):
            raise error.__context__ from None
        raise
    except (tf.errors.OperatorNotAllowedInGraphError, TypeError) as error:
        is_open = any(None in tensor.shape[1:] for tensor in function.input_signature)
        if isinstance(error, TypeError) and not is_open:
            raise
        raise ValueError(
            f"{names[:5]} need sizes that are unknown in the model's inputs (`None`): pass the "
            "full shape to `keras.Input`, and export that model (a subclassed one has to be built "
            "with `keras.Model(inputs, outputs)` for it)."
        ) from error


@contextlib.contextmanager
def _inlined() -> Iterator[None]:
    """Leaves no calls of functions in a trace: converters do not look into those that XLA compiles.

    Keras has grouped convolutions, and those in three dimensions, compiled.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def _products_of_matrices() -> Iterator[None]:
    """Makes one operator of the product of a tensor with a matrix, as runtimes have it.

    `keras.ops.matmul` calls `tf.tensordot`, which reshapes to matrices and back: that is ten
    operators where sizes are not known.
    """
    own = tf.tensordot

    def tensordot(a: Any, b: Any, axes: Any, **options: Any) -> Any:
        is_product = axes in (1, [[-1], [0]]) and len(b.shape) == 2 and len(a.shape) > 2
        return tf.matmul(a, b) if is_product else own(a, b, axes, **options)

    tf.tensordot = tensordot
    try:
        yield
    finally:
        tf.tensordot = own


def _require_constant(concrete: Any, names: list[str]) -> None:
    graph = concrete.graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    written = sorted({node.name for node in nodes if node.op.startswith("Assign")})
    if written:
        raise ValueError(
            f"{names[:5]} write to variables when they are called, as {written[:3]} say: state, or "
            "a generator of random numbers, is kept by no file but a SavedModel. Export with "
            "format='tf_saved_model'."
        )
