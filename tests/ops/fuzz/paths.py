"""Runs a call eagerly, as a graph, compiled by XLA and in `keras.ops`, and compares."""

import numpy as np
import tensorflow as tf
from ops.fuzz.references import REFERENCES

from kerasopt.ops import native

SMALLEST = np.finfo("float32").tiny
# What says how weights are packed, and these.
PACKING = {"weights", "kernel_shape", "weight_format", "groups", "dilation_rate", "entries"}
# Ops that add floats in an order of their own.
ADDING = (
    "HalfConv2D",
    "HalfMatMul",
    "LearnedScaleGradients",
    "SparseMatMul",
    "WeightOnlyMatMul",
)
REFUSALS = (ValueError, TypeError, tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError)
# What an op that runs now refuses of values, which XLA does not know when it compiles.
OF_VALUES = ("must be positive and finite", "must be finite", "exponentials", "are damaged")
# XLA pads whole images, the native ops the lines at hand.
OF_XLA = "when it is padded"


class Disagreement(AssertionError):
    pass


def check(call, mode, rng):
    """Runs a call eagerly and in a mode; returns whether it succeeded, or why it did not.

    Args:
        call: `Call`.
        mode: String, `"eager"`, `"graph"`, `"jit"` or `"reference"`.
        rng: Random generator.

    Raises:
        Disagreement: If one path refuses what another one does not, or gives other bits.
    """
    inputs = {name: tf.constant(value) for name, value in call.inputs.items()}
    expected, refusal = _outcome(_op(call), inputs)
    if mode == "eager" or (mode == "reference" and expected is None):
        return refusal
    if mode == "reference":
        function = REFERENCES.get(call.op.removeprefix("Kerasopt"))
        if function is None:
            return refusal
        found, problem = function(**inputs, **call.attributes), None
    else:
        found, problem = _outcome(_compiled(call, mode, inputs, rng), inputs)
    if (expected is None) != (found is None) and not _may_differ(refusal, problem, mode):
        raise Disagreement(f"eager: {refusal or 'succeeds'}; {mode}: {problem or 'succeeds'}")
    if expected is not None and found is not None:
        _compare(call, _arrays(expected), _arrays(found))
    return refusal


def _op(call):
    op = getattr(native.load(), call.op)
    return lambda **inputs: op(**inputs, **call.attributes)


def _outcome(function, inputs):
    try:
        return function(**inputs), None
    except REFUSALS as error:
        return None, f"{type(error).__name__}: {str(error)[:300]}"


def _compiled(call, mode, inputs, rng):
    """The op in a graph that knows shapes, or does not."""
    function = tf.function(_op(call), jit_compile=mode == "jit", reduce_retracing=False)
    if rng.random() < 0.5:
        return function
    unknown = {name: tf.TensorSpec(None, value.dtype) for name, value in inputs.items()}
    return lambda **inputs: function.get_concrete_function(**unknown)(**inputs)


def _may_differ(refusal, problem, mode):
    if mode == "jit" and refusal is not None:
        return any(part in refusal for part in OF_VALUES)
    return mode == "jit" and OF_XLA in problem


def _arrays(result):
    return [np.asarray(part) for part in tf.nest.flatten(result)]


def _compare(call, expected, found):
    is_inexact = call.op.removeprefix("Kerasopt") in ADDING and bool(call.spoilt)
    for index, (wanted, values) in enumerate(zip(expected, found, strict=True)):
        if wanted.shape != values.shape or wanted.dtype != values.dtype:
            raise Disagreement(f"{wanted.dtype}{wanted.shape} and {values.dtype}{values.shape}")
        # Weights that nothing packs may have values in the padding, which only some paths read.
        is_sum = index > 0 or len(expected) == 1
        if PACKING & call.spoilt or (is_inexact and is_sum):
            continue
        # Some threads of TensorFlow flush subnormal numbers.
        wanted, values = (np.where(np.abs(x) < SMALLEST, 0, x) for x in (wanted, values))
        if not np.array_equal(wanted, values, equal_nan=wanted.dtype == "float32"):
            at = np.argmax(~((wanted == values) | ((wanted != wanted) & (values != values))))
            raise Disagreement(f"{wanted.flat[at]} and {values.flat[at]} at {at} of {wanted.size}")
