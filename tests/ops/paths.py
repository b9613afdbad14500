"""Runs one function on every path of the integer arithmetic and compares the results' bits."""

from unittest import mock

import numpy as np
import tensorflow as tf

from kerasopt.ops import native


def integers(rng, shape, extremes=False):
    """Random int8 values: the whole range, or only its two ends."""
    values = rng.choice([-128, 127], shape) if extremes else rng.integers(-128, 128, shape)
    return values.astype("int8")


def all_paths(function, *inputs):
    """Return the results of `function(*tensors)` on all paths: a dict of lists of arrays.

    The paths: each instruction set that this CPU has, XLA of the native op, and the reference
    in eager mode, as a graph, and compiled by XLA.
    """
    inputs = [tf.constant(value) for value in inputs]
    assert native.load() is not None, "these tests need the native library"
    results = {}
    for name in native.INSTRUCTION_SETS:
        if native.select_instruction_set(name):
            results[name] = function(*inputs)
    results["xla"] = tf.function(function, jit_compile=True)(*inputs)
    with mock.patch.object(native, "load", lambda: None):
        results["reference"] = function(*inputs)
        results["reference graph"] = tf.function(function)(*inputs)
        results["reference xla"] = tf.function(function, jit_compile=True)(*inputs)
    return {name: _arrays(result) for name, result in results.items()}


def assert_same_bits(function, *inputs):
    """Assert that all paths give equal results for `function(*tensors)`; return them as arrays."""
    results = all_paths(function, *inputs)
    expected = results["reference"]
    for name, result in results.items():
        for value, wanted in zip(result, expected, strict=True):
            assert value.dtype == wanted.dtype and value.shape == wanted.shape, name
            np.testing.assert_array_equal(value, wanted, err_msg=name)
    return expected if len(expected) > 1 else expected[0]


def _arrays(result):
    return [np.asarray(part) for part in tf.nest.flatten(result)]
